"""Rank each planted canary among the other secrets that could stand in its place.

Source: Carlini et al. 2018 (arXiv 1802.08232), section 4. Code lengths in bits (the paper's
log-perplexity) and ranks are stored; exposure is derived in `rote.analysis.quantities.exposure`.
Shapes: K canaries, R secrets, L positions, T references of all canaries together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.checks import require_whole
from rote.core.rng import stream_seed
from rote.core.units import bits_from_nats
from rote.measures.cost import batches, rows_per_batch
from rote.measures.protocol import Measurement
from rote.models.likelihood import started, token_nats
from rote.tasks.canaries.manifest import Canary, Encode, Manifest, Piece, Space
from rote.tasks.canaries.spaces import KINDS
from rote.tasks.canaries.task import Canaries
from rote.tasks.protocol import Task


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Ranks canaries among all secrets of their set, or among references drawn from it.

    Secrets are ranks in a finite set, so the bits of one are exact and a small set is ranked whole.
    Source: Carlini et al. 2018, arXiv 1802.08232, section 4. Raises ValueError for a setting out of
    range.
    """

    exact_up_to: int  # a set of at most so many secrets is ranked whole
    num_references: int  # drawn for each canary of a larger set

    def __post_init__(self) -> None:
        require_whole("measure.exposure.exact_up_to", self.exact_up_to, 0, 1 << 24)
        require_whole("measure.exposure.num_references", self.num_references, 1, 1 << 24)

    def check(self, task: Task) -> None:
        """Raises ValueError for a task that holds no canaries."""
        _with_canaries(task)

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Apply `canary_measurement` to the canaries that the task has planted."""
        canaries = _with_canaries(task)
        return canary_measurement(
            model,
            canaries.manifest(seed),
            canaries.encode,
            vocab_size=canaries.vocab_size,
            seed=seed,
            device=device,
            exact_up_to=self.exact_up_to,
            num_references=self.num_references,
        )


def canary_measurement(
    model: nn.Module,
    manifest: Manifest,
    encode: Encode,
    *,
    vocab_size: int,
    seed: int,
    device: torch.device,
    exact_up_to: int,
    num_references: int,
) -> Measurement:
    """Return arrays in the manifest's order; the references follow in the order of their canaries.

    ``num_as_likely`` counts the references that are as likely as the canary or likelier. Where
    ``is_exact``, the references are all other secrets, and 1 + num_as_likely is the rank.
    ``is_extracted``: greedy decoding after the template gives the secret and its end.
    """
    codes = []
    for place, canary in enumerate(manifest.canaries):
        random = Random(stream_seed(seed, "exposure", place))
        space = manifest.space(canary.kind)
        secrets = _secrets(canary, space, random, exact_up_to, num_references)
        rows = [canary.tokens(secret, encode) for secret in secrets]
        nats_R = _of_rows(_nats, model, rows, vocab_size, device)
        codes.append(np.asarray(bits_from_nats(nats_R)))
    # The model reads the true secret: up to its first mistake it would have read the same.
    rows = [one.tokens(one.secret, encode) for one in manifest.canaries]
    first_K = np.array([one.first_of_secret(encode) for one in manifest.canaries])
    is_extracted_K = _of_rows(_last_wrong, model, rows, vocab_size, device) < first_K
    return _measurement(manifest, codes, is_extracted_K)


def _secrets(
    canary: Canary, space: Space, random: Random, exact_up_to: int, num_references: int
) -> list[Piece]:
    """Return the canary's own secret, then the others."""
    own = space.rank(canary.secret)  # type: ignore[arg-type]
    if space.size <= exact_up_to:
        others = [*range(own), *range(own + 1, space.size)]
    else:
        drawn = (random.randrange(space.size - 1) for _ in range(num_references))
        others = [rank + (rank >= own) for rank in drawn]
    return [canary.secret, *(space.unrank(rank) for rank in others)]


def _measurement(
    manifest: Manifest, codes: Sequence[np.ndarray], is_extracted_K: np.ndarray
) -> Measurement:
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
            "is_extracted": is_extracted_K.astype(np.uint8),
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
def _of_rows(
    of_batch: Callable[[nn.Module, Tensor, Tensor], Tensor],
    model: nn.Module,
    rows: Sequence[Sequence[int]],
    vocab_size: int,
    device: torch.device,
) -> np.ndarray:
    """Return a number for each row: of padded batches and masks of what is inside a row, [B, L]."""
    found = []
    for part in batches(len(rows), rows_per_batch(max(map(len, rows)), vocab_size, device)):
        some = [torch.tensor(row) for row in rows[part]]
        tokens_BL = nn.utils.rnn.pad_sequence(some, batch_first=True).to(device)
        lengths_B1 = torch.tensor([len(row) for row in some], device=device)[:, None]
        inside_BL = torch.arange(tokens_BL.shape[1], device=device) < lengths_B1
        found.append(of_batch(model, tokens_BL, inside_BL).cpu())
    return torch.cat(found).numpy()


def _nats(model: nn.Module, tokens_BL: Tensor, inside_BL: Tensor) -> Tensor:
    """Return the nats of whole rows, float64 [B]; padding cannot change what comes before it."""
    return token_nats(model, tokens_BL).double().where(inside_BL, 0.0).sum(dim=1)


def _last_wrong(model: nn.Module, tokens_BL: Tensor, inside_BL: Tensor) -> Tensor:
    """Return the last position whose likeliest token is not the row's, [B]; -1 if all are."""
    logits_BLV = model(started(model, tokens_BL[:, :-1]))
    wrong_BL = (logits_BLV.argmax(dim=-1) != tokens_BL) & inside_BL
    positions_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
    return positions_L.where(wrong_BL, -1).amax(dim=1)
