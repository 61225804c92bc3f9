"""Windows of real text: what a model gains on them is not all memorised.

Source: Morris et al. 2025 (arXiv 2505.24832), section 4: windows of 64 tokens, deduplicated after
truncation. Shapes: N sequences, B sequences asked for, L tokens in each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from rote.core.checks import require_whole
from rote.core.progress import no_progress
from rote.core.rng import stream_seed
from rote.tasks.text.pools import Pools, pools, shuffled
from rote.tasks.text.prepare import PreparedText
from rote.tasks.text.prepared import Prepared, open_prepared
from rote.tasks.text.recipe import Recipe
from rote.tasks.text.sources import Source
from rote.tasks.text.tokenisers import Encoder, Tokeniser, load

TRAINED = ("train", "reference")


@dataclass(frozen=True, kw_only=True)
class Text:
    """N windows of one pool in an order that the seed says: N sequences are a prefix of 2N.

    ``corpus`` is the content hash of the prepared windows; `preparation` finds it before a run has
    its id. Raises ValueError for values that make no data set, and where the pools hold too few.
    """

    source: Source
    tokeniser: Tokeniser
    length: int
    windows: str  # all windows of a document, or its first
    near_duplicate_threshold: float | None
    split_by: str
    split_seed: int
    heldout_share: float
    reference_share: float
    pool: str  # train, or reference: for models that never see the train pool
    num_sequences: int
    num_heldout_sequences: int
    duplicated_fraction: float  # of the N sequences
    repeats: int  # how often each of those occurs in all
    corpus: str | None

    def __post_init__(self) -> None:
        require_whole("task.num_sequences", self.num_sequences, 1)
        require_whole("task.num_heldout_sequences", self.num_heldout_sequences, 1)
        require_whole("task.split_seed", self.split_seed, 0)
        require_whole("task.repeats", self.repeats, 1)
        if self.pool not in TRAINED:
            raise ValueError(f"task.pool must be one of {TRAINED}, got {self.pool!r}")
        fraction = self.duplicated_fraction
        if not (isinstance(fraction, int | float) and 0 <= fraction <= 1):
            raise ValueError(f"task.duplicated_fraction must be from 0 to 1, got {fraction!r}")
        if fraction and self.repeats < 2:
            raise ValueError("task.duplicated_fraction needs task.repeats of 2 or more")
        if not isinstance(self.corpus, str | None):
            raise ValueError(f"task.corpus must be an id like text-..., got {self.corpus!r}")
        self.preparation()
        self._split()

    def preparation(self) -> PreparedText:
        """Tokens, windows, deduplication: done once for all runs on the same text."""
        recipe = Recipe(
            source=self.source,
            tokeniser=self.tokeniser,
            length=self.length,
            windows=self.windows,
            near_duplicate_threshold=self.near_duplicate_threshold,
        )
        return PreparedText(recipe=recipe, corpus=self.corpus)

    @property
    def vocab_size(self) -> int:
        """The tokeniser's."""
        return self._prepared.vocab_size

    def train(self, seed: int) -> "TextSequences":
        """N windows of the pool, then those that are repeated once more for each repeat."""
        once = self.members(seed)
        num_duplicated = round(self.duplicated_fraction * self.num_sequences)
        again = np.tile(once.sample_ids[:num_duplicated], self.repeats - 1)
        return replace(once, sample_ids=np.concatenate([once.sample_ids, again]))

    def members(self, seed: int) -> "TextSequences":
        """The N windows, each once."""
        ids_N = self._ordered(self.pool, seed)[: self.num_sequences]
        return TextSequences(prepared=self._prepared, sample_ids=ids_N)

    def heldout(self, seed: int) -> "TextSequences":
        """The same windows for every seed."""
        ids_N = self._ordered("heldout", 0)[: self.num_heldout_sequences]
        return TextSequences(prepared=self._prepared, sample_ids=ids_N)

    def superset(self, seed: int) -> "TextSequences":
        """The whole train pool in its order for this seed, whichever pool is trained on."""
        return TextSequences(prepared=self._prepared, sample_ids=self._ordered("train", seed))

    def encoder(self) -> Encoder:
        """What made the tokens of its text."""
        return self._encoder

    def encode(self, text: str) -> Sequence[int]:
        """Its tokens, none added at either end."""
        tokens: list[int] = self._encoder.encode([text])[0].tolist()
        return tokens

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """The text of each sequence."""
        return self._encoder.decode(tokens_NL)

    def entropy_bits(self, *, from_position: int = 0) -> None:
        """Nobody knows it."""

    def _ordered(self, pool: str, seed: int) -> np.ndarray:
        members = pools(self._prepared.corpus, self._split())
        self._require_enough({name: len(ids) for name, ids in members.items()})
        return shuffled(members[pool], stream_seed(seed, "text", "order", pool))

    def _require_enough(self, held: dict[str, int]) -> None:
        wanted = {self.pool: self.num_sequences, "heldout": self.num_heldout_sequences}
        keys = {self.pool: "num_sequences", "heldout": "num_heldout_sequences"}
        for pool, number in wanted.items():
            if number > held[pool]:
                sizes = ", ".join(f"{name} {size:,}" for name, size in held.items())
                raise ValueError(
                    f"task.{keys[pool]}={number:,} is more than the {pool} pool holds; "
                    f"windows of {self.length} tokens: {sizes}"
                )

    def _split(self) -> Pools:
        return Pools(
            seed=self.split_seed,
            by=self.split_by,
            heldout_share=self.heldout_share,
            reference_share=self.reference_share,
        )

    @cached_property
    def _encoder(self) -> Encoder:
        return load(self._prepared.folder)

    @cached_property
    def _prepared(self) -> Prepared:
        """Opened, or made again where this machine does not have it."""
        return open_prepared(self.preparation().open_or_make(no_progress))


@dataclass(frozen=True, kw_only=True)
class TextSequences:
    """Windows of a prepared corpus, read from its memory-mapped file."""

    prepared: Prepared
    sample_ids: np.ndarray  # int64 [N]: the number of each window in the prepared corpus

    @property
    def num_sequences(self) -> int:
        """Repeats counted."""
        return len(self.sample_ids)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64, on the device of the indices."""
        ids_B = self.sample_ids[indices_B.cpu().numpy()]
        return torch.from_numpy(self.prepared.tokens(ids_B)).to(indices_B.device)
