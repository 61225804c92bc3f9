"""Define the request of an audit, with all that can change its numbers, and derive its name."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rote.auditing.document_sets import digests_of, kinds_of
from rote.auditing.suites import Suite
from rote.auditing.targets import AuditTarget
from rote.core.checks import require_whole
from rote.io.write import canonical_json, sha256, sha256_of_file

VERSION = 4  # of computation and storage: another version never resumes from old pieces


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Plain settings of an audit; raises ValueError for values out of range."""

    field: str  # in a .jsonl or .parquet file
    max_tokens: int  # per document; the models' context limits it as well
    quick: bool  # only the scores of one forward pass
    prefix_tokens: int  # context that the model receives
    suffix_tokens: int  # tokens that it has to reproduce
    precision: str  # a choice of conf/precision
    device: str  # cpu or cuda: the two never share an audit
    seed: int  # for set-aside non-members, tokens of neighbours, and the ranked secrets
    start_token: int | None  # None: the model's own
    allow_pickle: bool
    k_percent: int = 20  # of Min-K%: the most used by its authors (Shi et al. 2023, 2310.16789)
    aside_percent: int = 10  # of the non-members: for prefixes, population and pool of tokens
    most_aside: int = 200
    prefix_of_recall_tokens: int = 128  # at most a quarter of the context
    num_neighbours: int = 5
    neighbour_percent: int = 15  # of a document's tokens: as many as BERT masks
    exact_up_to: int = 10_000  # a canary with at most so many secrets is ranked against all
    num_references: int = 1000  # secrets drawn for a canary with more

    def __post_init__(self) -> None:
        require_whole("--max-tokens", self.max_tokens, 2)
        require_whole("--prefix-tokens", self.prefix_tokens, 1)
        require_whole("--suffix-tokens", self.suffix_tokens, 1)
        require_whole("--seed", self.seed, 0)
        if self.start_token is not None:
            require_whole("--start-token", self.start_token, 0)

    @property
    def extraction_tokens(self) -> int:
        """Return the length that a document needs for extraction."""
        return self.prefix_tokens + self.suffix_tokens


@dataclass(frozen=True, kw_only=True)
class AuditRequest:
    """The audited model, the references, the files and the settings."""

    target: AuditTarget
    references: Sequence[AuditTarget]
    members: Path
    nonmembers: Path
    canaries: Path | None
    settings: AuditSettings
    suite: Suite | None = None  # holds members and non-members, in the same files

    def digests(self) -> dict[str, Any]:
        """Return SHA-256 of every file read; raises ValueError if a reference is the model."""
        digests = self._of_documents()
        if self.canaries is not None:
            if not self.canaries.is_file():
                raise ValueError(f"there is no file {str(self.canaries)!r}")
            digests["canaries"] = sha256_of_file(self.canaries)
        own = dict(self.target.digests())
        others = [dict(reference.digests()) for reference in self.references]
        if own in others:
            raise ValueError("the reference is the model itself: it would explain everything")
        return {"model": own, "references": others, **digests}

    def _of_documents(self) -> dict[str, Any]:
        if self.suite is not None:
            return {"suite": {"name": self.suite.name, **self.suite.digests()}}
        field = self.settings.field
        members, nonmembers = (
            digests_of(kinds_of(path, field)) for path in (self.members, self.nonmembers)
        )
        if members == nonmembers:
            raise ValueError(f"{self.members} and {self.nonmembers} are the same file")
        return {"members": members, "nonmembers": nonmembers}

    def folder_name(self, digests: Mapping[str, Any]) -> str:
        """Return the model's name and eight hex digits of the settings and of every file."""
        asked = {"version": VERSION, "settings": asdict(self.settings), "digests": digests}
        digest = sha256(canonical_json(asked).encode())[:8]
        signs = (sign if sign.isalnum() or sign in "-_." else "-" for sign in self.target.name)
        return f"{''.join(signs)}-{digest}"
