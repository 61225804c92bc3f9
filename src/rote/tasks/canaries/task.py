"""Add canaries to the training sequences of any task (Carlini et al. 2018, arXiv 1802.08232).

A canary is a sequence of its own: the template with the secret, then filler. Measures score a
secret on the canary's own tokens, which come before the filler.

Shapes: B sequences asked for, L tokens in each, C distinct canaries, M inserted sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from random import Random

import torch
from torch import Tensor

from rote.core.checks import require_choice, require_distinct, require_whole
from rote.core.rng import stream_seed
from rote.tasks.canaries.manifest import Canary, CanaryPlacement, Manifest
from rote.tasks.canaries.spaces import KINDS, TOKENS
from rote.tasks.protocol import Sequences, Task, members_of, scored_from, text_of

FILLER = " Nothing follows."  # repeated after a canary of text
TOKEN_FILLER = (0,)


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """``base`` with canaries after its training sequences, which keep their indices.

    For each kind and each number in ``repeats``, ``num_each`` canaries are inserted that often;
    ``num_controls`` are never inserted. Raises ValueError for canaries that do not fit the base.
    """

    base: Task
    kinds: Sequence[str]
    secret_length: int  # words or tokens per secret, for these kinds
    repeats: Sequence[int]
    num_each: int
    num_controls: int

    def __post_init__(self) -> None:
        require_whole("task.secret_length", self.secret_length, 1, 64)
        require_whole("task.num_each", self.num_each, 1)
        require_whole("task.num_controls", self.num_controls, 0)
        require_distinct("task.kinds", self.kinds)
        require_distinct("task.repeats", self.repeats)
        for times in self.repeats:
            require_whole("each of task.repeats", times, 1)
        for kind in self.kinds:
            self._require_kind(kind)
        if start := scored_from(self.base):
            name = type(self.base).__name__
            raise ValueError(f"no canary can be learnt: {name}'s first {start} tokens are not")

    @property
    def vocab_size(self) -> int:
        """Return the base's vocabulary size."""
        return self.base.vocab_size

    @property
    def length(self) -> int:
        """Return the base's sequence length."""
        return self.base.length

    def train(self, seed: int) -> "WithCanaries":
        """Return the base's sequences, then each canary as often as its manifest says."""
        inserted = [one for one in self.manifest(seed).canaries if not one.is_control]
        times_C = torch.tensor([one.repeats for one in inserted])
        return WithCanaries(
            base=self.base.train(seed),
            canaries_CL=torch.tensor([self._padded(one) for one in inserted]),
            canary_M=torch.arange(len(inserted)).repeat_interleave(times_C),
        )

    def heldout(self, seed: int) -> Sequences:
        """Return the base's held-out sequences."""
        return self.base.heldout(seed)

    def members(self, seed: int) -> Sequences:
        """Return the base's members."""
        return members_of(self.base, seed)

    def entropy_bits(self, *, from_position: int = 0) -> float | None:
        """Return the base's entropy plus that of the inserted secrets, in bits.

        Each secret counts once; templates have no entropy. No secret includes the first token.
        """
        base_bits = self.base.entropy_bits(from_position=from_position)
        if base_bits is None:
            return None
        planted = self.manifest(0).canaries
        return base_bits + sum(one.bits for one in planted if not one.is_control)

    def manifest(self, seed: int) -> Manifest:
        """Return the canaries and controls, which depend on the task and the seed only."""
        random = Random(stream_seed(seed, "canaries"))
        return self._plan.manifest(seed, random, self.base.train(seed).num_sequences)

    def encode(self, text: str) -> Sequence[int]:
        """Return the base's tokens of a text; only called if its tokens are text."""
        base = text_of(self.base)
        assert base is not None
        return base.encode(text)

    def _padded(self, canary: Canary) -> list[int]:
        tokens = [*canary.tokens(canary.secret, self.encode)]
        filler = TOKEN_FILLER if canary.kind == TOKENS else self.encode(FILLER)
        return (tokens + [*filler] * self.length)[: self.length]

    @property
    def _plan(self) -> CanaryPlacement:
        names = [each.name for each in fields(CanaryPlacement)]
        return CanaryPlacement(**{name: getattr(self, name) for name in names})

    def _require_kind(self, kind: str) -> None:
        require_choice("each of task.kinds", kind, KINDS)
        if kind != TOKENS and text_of(self.base) is None:
            name = type(self.base).__name__
            raise ValueError(f"task.kinds: {kind} is text, and {name}'s tokens are not: use tokens")
        if (longest := self._plan.longest(kind)) > self.length:
            raise ValueError(
                f"task.kinds: a canary of kind {kind} may take {longest} tokens, and sequences "
                f"have {self.length}"
            )


@dataclass(frozen=True, kw_only=True)
class WithCanaries:
    """The sequences of a base, followed by canaries."""

    base: Sequences
    canaries_CL: Tensor
    canary_M: Tensor  # the canary of each sequence after the base's

    @property
    def num_sequences(self) -> int:
        """Return the number of sequences, with repeats."""
        return self.base.num_sequences + len(self.canary_M)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64."""
        last = self.base.num_sequences - 1
        base_BL = self.base.tokens(indices_B.clamp(max=last))
        device = indices_B.device
        canary_B = self.canary_M.to(device)[(indices_B - last - 1).clamp(min=0)]
        is_canary_B1 = (indices_B > last)[:, None]
        return torch.where(is_canary_B1, self.canaries_CL.to(device)[canary_B], base_BL)
