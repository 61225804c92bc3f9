"""Train on several tasks jointly: an epoch has a share of each, in one vocabulary.

Shapes: N sequences, B sequences asked for, L tokens in each, P parts, V symbols of a part.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rote.tasks.protocol import HasCharacters, HasItems, Items, Sequences, Task, scored_from

PAD = 0  # after shorter sequences; a newline, if tokens are characters


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """An epoch holds every sequence of every part, as often as their shares demand.

    Parts of characters share one alphabet; other parts must have equal vocabulary sizes. Raises
    ValueError if shares do not sum to 1, and for parts that cannot be combined.
    """

    parts: Mapping[str, Task]
    ratio: Mapping[str, float]  # shares of an epoch's sequences

    def __post_init__(self) -> None:
        if len(self.parts) == 0 or set(self.parts) != set(self.ratio):
            raise ValueError(
                f"task.ratio has shares of {sorted(self.ratio)}, task.parts are "
                f"{sorted(self.parts)}"
            )
        for name, share in self.ratio.items():
            if not (isinstance(share, int | float) and share > 0):
                raise ValueError(f"task.ratio.{name} must be a number above 0, got {share!r}")
        if not math.isclose(total := sum(self.ratio.values()), 1.0, abs_tol=1e-9):
            raise ValueError(f"task.ratio must sum to 1, and sums to {total:g}")
        self._require_one("scored_from", [scored_from(part) for part in self.parts.values()])
        if self._alphabets is None:
            self._require_one("vocab_size", [part.vocab_size for part in self.parts.values()])

    @cached_property
    def vocab_size(self) -> int:
        """Return the parts' vocabulary size, or the size of the shared alphabet."""
        return next(iter(self.parts.values())).vocab_size if self._all is None else len(self._all)

    @cached_property
    def length(self) -> int:
        """Return the length of the longest part."""
        return max(part.length for part in self.parts.values())

    @property
    def scored_from(self) -> int:
        """Return the parts' common first scored position."""
        return scored_from(next(iter(self.parts.values())))

    def train(self, seed: int) -> "Mixed":
        """Return one epoch."""
        return self._mixed({name: part.train(seed) for name, part in self.parts.items()})

    def heldout(self, seed: int) -> "Mixed":
        """Return the parts' held-out sequences in the same ratio."""
        return self._mixed({name: part.heldout(seed) for name, part in self.parts.items()})

    def entropy_bits(self, *, from_position: int = 0) -> float | None:
        """Return None, unknown: an epoch repeats sequences."""

    def items(self, seed: int) -> Items:
        """Return the items of all parts that have any, each group with its part's name.

        Exposures count a part's own training set. Raises ValueError if no part has items.
        """
        some: list[Items] = []
        groups: list[str] = []
        for name, part in self.parts.items():
            if isinstance(part, HasItems):
                items = part.items(seed)
                tokens_NL = self.fitted(name, items.tokens_NL)
                group_N = items.group_N + len(groups)
                some.append(replace(items, tokens_NL=tokens_NL, group_N=group_N))
                groups += [f"{name}_{group}" for group in items.groups]
        if not some:
            raise ValueError(f"none of task.parts {sorted(self.parts)} has items to ask for")
        joined: dict[str, Any] = {
            each.name: torch.cat([getattr(items, each.name) for items in some])
            for each in fields(Items)
            if each.name != "groups"
        }
        return Items(groups=tuple(groups), **joined)

    def _mixed(self, parts: Mapping[str, Sequences]) -> "Mixed":
        """Take the fewest sequences of each part that include every one and keep the ratio.

        The ratio holds to within half a sequence of each part.
        """
        sizes = {name: part.num_sequences for name, part in parts.items()}
        total = max(sizes[name] / self.ratio[name] for name in sizes)
        counts = [max(size, round(total * self.ratio[name])) for name, size in sizes.items()]
        return Mixed(mixture=self, parts=parts, counts=tuple(counts))

    def fitted(self, name: str, tokens_BL: Tensor) -> Tensor:
        """Return a part's tokens in the mixture's vocabulary and length."""
        if self._alphabets is not None:
            tokens_BL = self._token_of[name].to(tokens_BL.device)[tokens_BL]
        return functional.pad(tokens_BL, (0, self.length - tokens_BL.shape[1]), value=PAD)

    @cached_property
    def _token_of(self) -> Mapping[str, Tensor]:
        """Return the mixture's token for each token of a part, [V]."""
        assert self._alphabets is not None and self._all is not None
        return {
            name: torch.tensor([self._all.index(character) for character in characters])
            for name, characters in self._alphabets.items()
        }

    @cached_property
    def _all(self) -> str | None:
        if self._alphabets is None:
            return None
        return "".join(sorted(set().union(*self._alphabets.values())))

    @cached_property
    def _alphabets(self) -> Mapping[str, str] | None:
        """Return the parts' alphabets; None if the tokens of a part are not characters."""
        known = {
            name: part.characters
            for name, part in self.parts.items()
            if isinstance(part, HasCharacters)
        }
        return known if len(known) == len(self.parts) else None

    def _require_one(self, what: str, values: Sequence[int]) -> None:
        if len(set(values)) > 1:
            shown = ", ".join(
                f"{name} {value}" for name, value in zip(self.parts, values, strict=True)
            )
            raise ValueError(f"task.parts differ in {what}: {shown}")


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Part after part; each is repeated from its beginning up to its count."""

    mixture: Mixture
    parts: Mapping[str, Sequences]
    counts: tuple[int, ...]

    @property
    def num_sequences(self) -> int:
        """Return the number of sequences, with repeats."""
        return sum(self.counts)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64, on the device of the indices."""
        ends_P = torch.tensor(self.counts, device=indices_B.device).cumsum(0)
        part_B = torch.bucketize(indices_B, ends_P, right=True)
        pieces, rows = [], []
        for number, (name, part) in enumerate(self.parts.items()):
            rows_A = (part_B == number).nonzero()[:, 0]
            inside_A = indices_B[rows_A] - (ends_P[number] - self.counts[number])
            pieces.append(self.mixture.fitted(name, part.tokens(inside_A % part.num_sequences)))
            rows.append(rows_A)
        return torch.cat(pieces)[torch.cat(rows).argsort()]
