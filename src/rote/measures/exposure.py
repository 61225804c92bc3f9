"""How likely a model finds each canary beside the other secrets that could stand in its place.

Source: Carlini et al. 2018 (arXiv 1802.08232), section 4. What is stored are code lengths in bits
(their log-perplexity) and ranks; exposure is derived in `rote.analysis.quantities.exposure`.
Shapes: K canaries, R secrets, L positions, T references of all canaries together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor, nn

from rote.checks import require_whole
from rote.measures.cost import CPU_LOGITS_PER_BATCH, LOGITS_PER_BATCH
from rote.measures.protocol import Measurement
from rote.models.likelihood import token_nats
from rote.rng import stream_seed
from rote.tasks.canaries.manifest import Canary, Manifest, Piece, Space
from rote.tasks.canaries.spaces import KINDS
from rote.tasks.canaries.task import Canaries
from rote.tasks.protocol import Task
from rote.units import bits_from_nats


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Ranks canaries among all secrets of their set, or among references drawn from it."""

    exact_up_to: int  # secrets: a set no larger is ranked whole
    num_references: int  # drawn for each canary of a larger one

    def __post_init__(self) -> None:
        require_whole("measure.exposure.exact_up_to", self.exact_up_to, 0, 1 << 24)
        require_whole("measure.exposure.num_references", self.num_references, 1, 1 << 24)

    def check(self, task: Task) -> None:
        """Raises ValueError for a task that holds no canaries."""
        _with_canaries(task)

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Arrays in the manifest's order; the references of one canary follow those of another.

        ``num_as_likely`` counts the references that are as likely as the canary or likelier. Where
        ``is_exact`` the references are all other secrets, and 1 + num_as_likely is the rank.
        """
        canaries = _with_canaries(task)
        manifest = canaries.manifest(seed)
        codes = []
        for place, canary in enumerate(manifest.canaries):
            random = Random(stream_seed(seed, "exposure", place))
            secrets = self._secrets(canary, manifest.space(canary.kind), random)
            rows = [canaries.canary_tokens(canary, secret) for secret in secrets]
            codes.append(_code_bits(model, rows, canaries.vocab_size, device))
        return _measurement(manifest, codes)

    def _secrets(self, canary: Canary, space: Space, random: Random) -> list[Piece]:
        """The canary's own, then others than it."""
        own = space.rank(canary.secret)  # type: ignore[arg-type]
        if space.size <= self.exact_up_to:
            others = [*range(own), *range(own + 1, space.size)]
        else:
            drawn = (random.randrange(space.size - 1) for _ in range(self.num_references))
            others = [rank + (rank >= own) for rank in drawn]
        return [canary.secret, *(space.unrank(rank) for rank in others)]


def _measurement(manifest: Manifest, codes: Sequence[np.ndarray]) -> Measurement:
    """``codes``: for each canary its own code length and those of its references."""
    canaries = manifest.canaries
    sizes_K = [manifest.space(one.kind).size for one in canaries]
    num_K = [len(codes_R) - 1 for codes_R in codes]
    references_T = np.concatenate([codes_R[1:] for codes_R in codes])
    return Measurement(
        totals={
            "canaries": len(canaries),
            "controls": sum(one.is_control for one in canaries),
            "references": len(references_T),
        },
        arrays={
            "kind": np.array([KINDS.index(one.kind) for one in canaries], np.uint8),
            "repeats": np.array([one.repeats for one in canaries]),
            "secret_bits": np.array([one.bits for one in canaries]),
            "code_bits": np.array([codes_R[0] for codes_R in codes], np.float32),
            "num_references": np.array(num_K),
            "num_as_likely": np.array([(codes_R[1:] <= codes_R[0]).sum() for codes_R in codes]),
            "is_exact": np.array([n + 1 == size for n, size in zip(num_K, sizes_K, strict=True)]),
            "reference_code_bits": references_T.astype(np.float32),
        },
    )


def _with_canaries(task: Task) -> Canaries:
    if not isinstance(task, Canaries):
        raise ValueError(
            f"measure.exposure needs canaries to look for, and {type(task).__name__} holds none: "
            "use task=canaries"
        )
    return task


@torch.inference_mode()
def _code_bits(
    model: nn.Module, rows: Sequence[Sequence[int]], vocab_size: int, device: torch.device
) -> np.ndarray:
    """-log2 p of each row of tokens, from its first on, float64 [R]."""
    lengths_R = torch.tensor([len(row) for row in rows])
    tokens_RL = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    logits = CPU_LOGITS_PER_BATCH if device.type == "cpu" else LOGITS_PER_BATCH
    size = max(1, logits // (tokens_RL.shape[1] * vocab_size))
    parts = [slice(start, start + size) for start in range(0, len(rows), size)]
    nats = [_nats(model, tokens_RL[i].to(device), lengths_R[i].to(device)).cpu() for i in parts]
    return np.asarray(bits_from_nats(torch.cat(nats).numpy()))


def _nats(model: nn.Module, tokens_BL: Tensor, lengths_B: Tensor) -> Tensor:
    """Of the first tokens of each row, float64 [B]; what comes after cannot change them."""
    nats_BL = token_nats(model, tokens_BL).double()
    positions_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
    return nats_BL.where(positions_L < lengths_B[:, None], 0.0).sum(dim=1)
