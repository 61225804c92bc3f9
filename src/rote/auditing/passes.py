"""Define the stages of an audit: which rows each one passes through which model.

Shapes: D documents, E evaluated ones, W neighbours of one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rote.auditing.corpus import Corpus
from rote.auditing.request import AuditSettings
from rote.auditing.scoring import Continued, LogLikelihood, OnePass, gradient
from rote.auditing.stages import Score, Stage, tokens_at_once
from rote.auditing.targets import AuditTarget
from rote.scores.likelihood import neighbours

DECODED_TOKENS = 1 << 15  # in a batch that is continued: one position per row at a time
FORWARD, EXTRACTION, LOWERED, BEHIND_PREFIX, NEIGHBOURS, GRADIENT = (
    "forward", "extraction", "lowercase", "recall", "neighbourhood", "gradient_norm",
)  # fmt: skip
TEXT_SCORES = ("zlib", LOWERED)
MORE_PASSES = (LOWERED, BEHIND_PREFIX, NEIGHBOURS, GRADIENT)


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of an audit of one target model."""

    corpus: Corpus
    target: AuditTarget
    settings: AuditSettings
    num_references: int
    weights: str  # the dtype in which they are stored
    device: torch.device

    def skipped(self) -> dict[str, str]:
        """Return the reason for each score that is not computed."""
        reasons: dict[str, str] = {}
        if self.settings.quick:
            reasons |= dict.fromkeys(MORE_PASSES, "--quick: scores of one forward pass alone")
        elif self.weights != "float32":
            reasons[GRADIENT] = f"weights in {self.weights}: gradients would be as coarse"
        if self.corpus.texts is None:
            reasons |= dict.fromkeys(TEXT_SCORES, "the documents are token ids, not text")
        if not self.settings.quick and not self.corpus.aside_D.any():
            reasons |= dict.fromkeys(
                (BEHIND_PREFIX, NEIGHBOURS), "too few non-members to set some aside"
            )
        if not len(self.tried):
            reasons[EXTRACTION] = (
                f"no document has {self.settings.extraction_tokens} tokens: "
                "give smaller --prefix-tokens and --suffix-tokens"
            )
        return reasons

    def of_target(self) -> Iterator[Stage]:
        """Yield the stages of the target, cheap ones first."""
        skipped = self.skipped()
        makers: dict[str, Callable[[], Stage]] = {
            FORWARD: self._forward,
            EXTRACTION: self._extraction,
            LOWERED: lambda: self._stage(LOWERED, self.lowered(), LogLikelihood()),
            BEHIND_PREFIX: self._behind_prefix,
            NEIGHBOURS: self._neighbours,
            GRADIENT: lambda: self._stage(GRADIENT, self._evaluated(), gradient, weight=6.0),
        }
        for name, make in makers.items():
            if name not in skipped:
                yield make()

    def of_reference(self, number: int) -> Stage:
        """Return the stage of a reference: the same documents under another model."""
        score = LogLikelihood(keeps_tokens=number == 0)
        return self._stage(f"reference-{number}", self.corpus.tokens, score)

    @property
    def counts_V(self) -> np.ndarray:
        """Return how often each token occurs in all documents."""
        tokens_T = np.concatenate(self.corpus.tokens)
        return np.bincount(tokens_T, minlength=self.target.vocab_size)

    @property
    def tried(self) -> np.ndarray:
        """Return the indices of documents that are long enough for extraction."""
        lengths_D = np.array([len(tokens) for tokens in self.corpus.tokens])
        return np.flatnonzero(lengths_D >= self.settings.extraction_tokens)

    @property
    def prefix(self) -> np.ndarray:
        """Return ReCaLL's prefix: known non-members, one after another."""
        most = self.settings.prefix_of_recall_tokens
        if self.target.max_length is not None:
            most = min(most, self.target.max_length // 4)
        aside = self.corpus.aside()
        return np.concatenate(aside)[:most] if aside else np.empty(0, dtype=np.int64)

    @property
    def room_tokens(self) -> int:
        """Return how many tokens fit after the prefix."""
        context = self.target.max_length or self.corpus.max_tokens + len(self.prefix)
        return min(self.corpus.max_tokens, context - len(self.prefix))

    def lowered(self) -> list[np.ndarray]:
        """Return evaluated documents in lower case; one that has no tokens then stays unchanged."""
        texts, tokens = self.corpus.texts, self.corpus.tokens
        assert texts is not None
        places = self.corpus.evaluated_E
        encoded = self.target.encode([texts[place].lower() for place in places])
        rows = [row[: self.corpus.max_tokens] for row in encoded]
        return [row if len(row) else tokens[place] for row, place in zip(rows, places, strict=True)]

    def behind_prefix(self) -> list[np.ndarray]:
        """Return the beginnings of evaluated documents that fit after the prefix."""
        return [row[: self.room_tokens] for row in self._evaluated()]

    def _forward(self) -> Stage:
        settings = self.settings
        score = OnePass(
            k_percent=settings.k_percent,
            beginning_tokens=self.room_tokens,
            suffix=(settings.prefix_tokens, settings.extraction_tokens),
            counts_V=self.counts_V,
            keeps_tokens=self.num_references > 0,
        )
        return self._stage(FORWARD, self.corpus.tokens, score)

    def _extraction(self) -> Stage:
        tokens, most = self.corpus.tokens, self.settings.extraction_tokens
        score = Continued(
            prefix_tokens=self.settings.prefix_tokens, vocab_size=self.target.vocab_size
        )
        rows = [tokens[place][:most] for place in self.tried]
        return self._stage(EXTRACTION, rows, score, weight=2.0, most_tokens=DECODED_TOKENS)

    def _behind_prefix(self) -> Stage:
        prefix = self.prefix
        rows = [np.concatenate([prefix, row]) for row in self.behind_prefix()]
        return self._stage(BEHIND_PREFIX, rows, LogLikelihood(prefix_tokens=len(prefix)))

    def _neighbours(self) -> Stage:
        """Make each neighbour when it is needed, from its index and the seed."""
        rows, pool = self._evaluated(), np.concatenate(self.corpus.aside())
        number, percent = self.settings.num_neighbours, self.settings.neighbour_percent

        def row(place: int) -> np.ndarray:
            generator = np.random.default_rng([self.settings.seed, place])
            drawn_1L = neighbours(
                rows[place // number], pool, num_neighbours=1, percent=percent, generator=generator
            )
            return np.asarray(drawn_1L[0])

        return Stage(
            name=NEIGHBOURS,
            lengths_R=np.repeat([len(each) for each in rows], number),
            row=row,
            score=LogLikelihood(),
            most_tokens=self._most_tokens,
        )

    def _stage(
        self,
        name: str,
        rows: Sequence[np.ndarray],
        score: Score,
        *,
        weight: float = 1.0,
        most_tokens: int | None = None,
    ) -> Stage:
        return Stage(
            name=name,
            lengths_R=np.array([len(row) for row in rows], dtype=np.int64),
            row=rows.__getitem__,
            score=score,
            most_tokens=most_tokens or self._most_tokens,
            weight=weight,
        )

    def _evaluated(self) -> list[np.ndarray]:
        tokens = self.corpus.tokens
        return [tokens[place] for place in self.corpus.evaluated_E]

    @property
    def _most_tokens(self) -> int:
        return tokens_at_once(self.target.vocab_size, self.device)
