"""Define the task of real text windows; a model's gain on them is not all memorised.

Source: Morris et al. 2025 (arXiv 2505.24832), section 4: windows of 64 tokens, deduplicated after
truncation. Windows are divided into pools for training, held-out data and references. Pool and
order depend only on a key and a window's (or document's) number: no state, equal on all machines.

Shapes: N sequences or numbers, B sequences asked for, L tokens in each.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from rote.core.checks import require_choice, require_share, require_whole
from rote.core.progress import no_progress
from rote.core.rng import stream_seed
from rote.io.outputs import OUTPUTS_VARIABLE
from rote.tasks.text.prepare import PreparedText
from rote.tasks.text.prepared import Prepared, corpora_folder, open_prepared
from rote.tasks.text.recipe import Recipe
from rote.tasks.text.sources import Source
from rote.tasks.text.tokenisers import Encoder, Tokeniser, load

NAMES = ("train", "heldout", "reference")
SPLIT_BY = ("window", "document")


@lru_cache(maxsize=2)  # a run needs its pools several times
def pools(
    corpus: str, *, seed: int, by: str, heldout_share: float, reference_share: float
) -> dict[str, np.ndarray]:
    """Return the sample ids of each pool, int64, in the order of the corpus."""
    prepared = open_prepared(corpus)
    is_by_document = by == "document"
    numbers_N = prepared.documents() if is_by_document else np.arange(prepared.num_windows)
    draws_N = _random_64_bits(numbers_N, stream_seed(seed, "text", "pools", corpus))
    uniform_N = (draws_N >> np.uint64(11)) * 2.0**-53
    is_heldout_N = uniform_N < heldout_share
    is_train_N = uniform_N >= heldout_share + reference_share
    members = (is_train_N, is_heldout_N, ~is_train_N & ~is_heldout_N)
    return {name: np.flatnonzero(member) for name, member in zip(NAMES, members, strict=True)}


def shuffled(ids_N: np.ndarray, key: int) -> np.ndarray:
    """Return the same ids [N] in an order given by ``key``, 64 bits."""
    return ids_N[np.argsort(_random_64_bits(ids_N, key), kind="stable")]


def _random_64_bits(counters_N: np.ndarray, key: int) -> np.ndarray:
    """Return SplitMix64 (Steele, Lea and Flood 2014) of these counters, uint64 [N]."""
    mixed = counters_N.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


TRAINED = ("train", "reference")


@dataclass(frozen=True, kw_only=True)
class Text:
    """N windows of one pool in an order given by the seed: N sequences are a prefix of 2N.

    ``corpus`` is the content hash of the prepared windows; `preparation` finds it before a run has
    its id. Raises ValueError for settings out of range, and if the pools are too small.
    """

    source: Source
    tokeniser: Tokeniser
    length: int
    windows: str  # all windows of a document, or only the first
    near_duplicate_threshold: float | None
    split_by: str
    split_seed: int
    heldout_share: float
    reference_share: float
    pool: str  # train, or reference: for models that never see the train pool
    num_sequences: int
    num_heldout_sequences: int
    duplicated_fraction: float  # of the N sequences
    repeats: int  # total occurrences of each of those
    corpus: str | None

    def __post_init__(self) -> None:
        require_whole("task.num_sequences", self.num_sequences, 1)
        require_whole("task.num_heldout_sequences", self.num_heldout_sequences, 1)
        require_whole("task.split_seed", self.split_seed, 0)
        require_whole("task.repeats", self.repeats, 1)
        require_choice("task.pool", self.pool, TRAINED)
        require_choice("task.split_by", self.split_by, SPLIT_BY)
        for name in ("duplicated_fraction", "heldout_share", "reference_share"):
            require_share(f"task.{name}", getattr(self, name))
        if self.heldout_share + self.reference_share >= 1:
            raise ValueError("task.heldout_share and task.reference_share leave nothing to train")
        if self.duplicated_fraction and self.repeats < 2:
            raise ValueError("task.duplicated_fraction needs task.repeats of 2 or more")
        if not isinstance(self.corpus, str | None):
            raise ValueError(f"task.corpus must be an id like text-..., got {self.corpus!r}")
        self.preparation()

    def preparation(self) -> PreparedText:
        """Return tokenising, windows and deduplication, done once for all runs on the same text."""
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
        """Return the tokeniser's vocabulary size."""
        return self._prepared.vocab_size

    def train(self, seed: int) -> "TextSequences":
        """Return N windows of the pool, then the duplicated ones once for each further repeat."""
        once = self.members(seed)
        num_duplicated = round(self.duplicated_fraction * self.num_sequences)
        again = np.tile(once.sample_ids[:num_duplicated], self.repeats - 1)
        return replace(once, sample_ids=np.concatenate([once.sample_ids, again]))

    def members(self, seed: int) -> "TextSequences":
        """Return the N windows, each once."""
        ids_N = self._ordered(self.pool, seed)[: self.num_sequences]
        return TextSequences(prepared=self._prepared, sample_ids=ids_N)

    def heldout(self, seed: int) -> "TextSequences":
        """Return the same windows for every seed."""
        ids_N = self._ordered("heldout", 0)[: self.num_heldout_sequences]
        return TextSequences(prepared=self._prepared, sample_ids=ids_N)

    def superset(self, seed: int) -> "TextSequences":
        """Return the whole train pool in this seed's order, whichever pool is trained on."""
        return TextSequences(prepared=self._prepared, sample_ids=self._ordered("train", seed))

    def encoder(self) -> Encoder:
        """Return the tokeniser of its text."""
        return self._encoder

    def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text; none are added at either end."""
        tokens: list[int] = self._encoder.encode([text])[0].tolist()
        return tokens

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """Return the text of each sequence."""
        return self._encoder.decode(tokens_NL)

    def entropy_bits(self, *, from_position: int = 0) -> None:
        """Return None: the entropy of real text is unknown."""

    def _ordered(self, pool: str, seed: int) -> np.ndarray:
        """Return all ids of a pool; raises ValueError where one is too small for the settings."""
        held = pools(
            self._prepared.corpus,
            seed=self.split_seed,
            by=self.split_by,
            heldout_share=self.heldout_share,
            reference_share=self.reference_share,
        )
        keys = {self.pool: "num_sequences", "heldout": "num_heldout_sequences"}
        for name, key in keys.items():
            if (number := getattr(self, key)) > len(held[name]):
                sizes = ", ".join(f"{each} {len(ids):,}" for each, ids in held.items())
                raise ValueError(
                    f"task.{key}={number:,} is more than the {name} pool holds; "
                    f"windows of {self.length} tokens: {sizes}"
                )
        return shuffled(held[pool], stream_seed(seed, "text", "order", pool))

    @cached_property
    def _encoder(self) -> Encoder:
        return load(self._prepared.folder)

    @cached_property
    def _prepared(self) -> Prepared:
        """Open the corpus, or make it again if this machine lacks it."""
        return open_prepared(self.preparation().open_or_make(no_progress))


@dataclass(frozen=True, kw_only=True)
class TextSequences:
    """Windows of a prepared corpus, read from its memory-mapped file."""

    prepared: Prepared
    sample_ids: np.ndarray  # int64 [N]: window numbers in the prepared corpus

    @property
    def num_sequences(self) -> int:
        """Return the number of sequences, with repeats."""
        return len(self.sample_ids)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64, on the device of the indices."""
        ids_B = self.sample_ids[indices_B.cpu().numpy()]
        return torch.from_numpy(self.prepared.tokens(ids_B)).to(indices_B.device)


@contextmanager
def rehearsal() -> Iterator[None]:
    """Inside the block, make missing corpora in a temporary folder.

    The outputs folder is read, but not written.
    """
    there = corpora_folder()
    before = os.environ.get(OUTPUTS_VARIABLE)
    with TemporaryDirectory(prefix="rote-") as outputs:
        here = Path(outputs) / there.name
        (here / "requests").mkdir(parents=True)
        for path in [*there.glob("[!.]*"), *there.glob("requests/*.json")]:
            if path.name != "requests":
                (here / path.relative_to(there)).symlink_to(path)
        os.environ[OUTPUTS_VARIABLE] = outputs
        try:
            yield
        finally:
            if before is None:
                del os.environ[OUTPUTS_VARIABLE]
            else:
                os.environ[OUTPUTS_VARIABLE] = before
