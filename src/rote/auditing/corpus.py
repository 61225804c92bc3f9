"""Combine both document sets into one list, set some non-members aside, and check canaries.

Members come first, then non-members. Scores that need known non-members (prefixes, a population, a
pool of tokens) use the set-aside ones, and no score is evaluated on them. Canaries come from a
manifest, for a model that may have been trained with them.

Shapes: D documents of both sets, E evaluated ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rote.auditing.document_sets import (
    DocumentSet,
    ReadOptions,
    Tokens,
    document_sets,
    read_document_sets,
)
from rote.auditing.request import AuditSettings
from rote.auditing.suites import Suite
from rote.auditing.targets import AuditTarget
from rote.core.progress import Progress
from rote.tasks.canaries.manifest import Manifest, read_manifest
from rote.tasks.canaries.spaces import TOKENS


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """All documents that are scored."""

    members: DocumentSet
    nonmembers: DocumentSet
    aside_D: np.ndarray  # bool
    max_tokens: int  # documents were cut to this length

    @property
    def tokens(self) -> list[Tokens]:
        """Return the tokens of all documents, [D]."""
        return [*self.members.tokens, *self.nonmembers.tokens]

    @property
    def texts(self) -> list[str] | None:
        """Return the texts, [D]; None if the documents are token ids."""
        if self.members.texts is None or self.nonmembers.texts is None:
            return None
        return [*self.members.texts, *self.nonmembers.texts]

    @property
    def counts_D(self) -> np.ndarray | None:
        """Return how often each document was inserted into training data, if it is known."""
        if self.members.counts_D is None or self.nonmembers.counts_D is None:
            return None
        return np.concatenate([self.members.counts_D, self.nonmembers.counts_D])

    @property
    def is_member_D(self) -> np.ndarray:
        """Return which documents are members, bool."""
        return np.arange(len(self.aside_D)) < len(self.members.tokens)

    @property
    def evaluated_E(self) -> np.ndarray:
        """Return the indices of documents that are not set aside."""
        return np.flatnonzero(~self.aside_D)

    def aside(self) -> list[Tokens]:
        """Return the tokens of documents that were set aside."""
        tokens = self.tokens
        return [tokens[place] for place in np.flatnonzero(self.aside_D)]


def read_corpus(
    members: Path,
    nonmembers: Path,
    target: AuditTarget,
    references: Sequence[AuditTarget],
    settings: AuditSettings,
    progress: Progress,
    suite: Suite | None = None,
) -> Corpus:
    """Read the corpus, from ``suite`` if there is one.

    Raises ValueError for unusable files or a reference with other tokens.
    """
    bounds = [each.max_length for each in (target, *references) if each.max_length is not None]
    max_tokens = min([settings.max_tokens, *bounds])
    reading = ReadOptions(
        encode=target.encode if target.has_text else None,
        decode=target.decode if target.has_text else None,
        vocab_size=target.vocab_size,
        max_tokens=max_tokens,
        progress=progress,
    )
    if suite is None:
        sides = read_document_sets(members, nonmembers, settings.field, reading)
    else:
        sides = document_sets(suite.rows(progress), (members, nonmembers), reading)
    member_side, nonmember_side = sides
    corpus = Corpus(
        members=member_side,
        nonmembers=nonmember_side,
        aside_D=_held_aside(len(member_side.tokens), len(nonmember_side.tokens), settings),
        max_tokens=max_tokens,
    )
    for reference in references:
        _require_same_tokens(target, reference, corpus)
    return corpus


def _held_aside(num_members: int, num_nonmembers: int, settings: AuditSettings) -> np.ndarray:
    aside_D = np.zeros(num_members + num_nonmembers, dtype=np.bool_)
    if not settings.quick:
        number = min(settings.most_aside, num_nonmembers * settings.aside_percent // 100)
        order = np.random.default_rng(settings.seed).permutation(num_nonmembers)
        aside_D[num_members + order[:number]] = True
    return aside_D


def _require_same_tokens(target: AuditTarget, reference: AuditTarget, corpus: Corpus) -> None:
    """Raises ValueError unless both models read equal tokens: likelihoods are compared by token."""
    unlike = ValueError(
        f"the reference {reference.name} has other tokens than {target.name}: "
        "what the two say of a document cannot be compared"
    )
    if corpus.texts is None:
        if reference.vocab_size != target.vocab_size:
            raise unlike
        return
    if not reference.has_text:
        raise unlike
    pairs = zip(target.encode(corpus.texts), reference.encode(corpus.texts), strict=True)
    largest = max(int(tokens.max()) for tokens in corpus.tokens)
    if largest >= reference.vocab_size or not all(np.array_equal(*pair) for pair in pairs):
        raise unlike


def usable_manifest(path: Path, target: AuditTarget) -> Manifest:
    """Read a manifest; raises ValueError for another file or canaries the model cannot read."""
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
    longest = max(len(one.tokens(one.secret, target.encode_one)) for one in manifest.canaries)
    if target.max_length is not None and longest > target.max_length:
        raise ValueError(
            f"{path}: a canary has {longest} tokens, {target.name} reads {target.max_length}"
        )
    return manifest
