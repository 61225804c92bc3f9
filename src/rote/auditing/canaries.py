"""Canaries whose manifest somebody brings, under a model that may have been trained with them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rote.auditing.settings import AuditSettings
from rote.auditing.targets import AuditTarget
from rote.measures.exposure import canary_measurement
from rote.tasks.canaries.manifest import Encode, Manifest, read_manifest
from rote.tasks.canaries.spaces import TOKENS


def usable_manifest(path: Path, target: AuditTarget) -> Manifest:
    """Raises ValueError for a file that is none, and for canaries that the model cannot read."""
    manifest = read_manifest(path)
    if not manifest.canaries:
        raise ValueError(f"{path} names no canary")
    for canary in manifest.canaries:
        if canary.kind == TOKENS and manifest.vocab_size != target.vocab_size:
            raise ValueError(
                f"{path}: its tokens are of {manifest.vocab_size}, {target.name} knows "
                f"{target.vocab_size}"
            )
        if canary.kind != TOKENS and not target.has_text:
            raise ValueError(f"{path}: {canary.kind} is text, and {target.name} has no tokeniser")
    longest = max(len(one.tokens(one.secret, _encoder(target))) for one in manifest.canaries)
    if target.max_length is not None and longest > target.max_length:
        raise ValueError(
            f"{path}: a canary has {longest} tokens, {target.name} reads {target.max_length}"
        )
    return manifest


def measured_canaries(
    model: nn.Module,
    target: AuditTarget,
    manifest: Manifest,
    settings: AuditSettings,
    device: torch.device,
) -> dict[str, np.ndarray]:
    """The arrays of `rote.measures.exposure`."""
    measured = canary_measurement(
        model,
        manifest,
        _encoder(target),
        vocab_size=target.vocab_size,
        seed=settings.seed,
        device=device,
        exact_up_to=settings.exact_up_to,
        num_references=settings.num_references,
    )
    return dict(measured.arrays)


def _encoder(target: AuditTarget) -> Encode:
    def encode(text: str) -> Sequence[int]:
        tokens: list[int] = target.encode([text])[0].tolist()
        return tokens

    return encode
