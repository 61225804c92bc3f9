"""What is asked of an audit, and the name that follows from it.

What an audit was asked to do: everything that can move a number of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rote.auditing.document_sets import kinds_of
from rote.auditing.targets import AuditTarget
from rote.core.checks import require_whole
from rote.io.write import canonical_json, sha256, sha256_of_file

VERSION = 3  # of what is computed and stored: another one never goes on from old pieces


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Plain values; raises ValueError for what makes no audit."""

    field: str  # of a .jsonl or .parquet
    max_tokens: int  # of a document; the models' context bounds it besides
    quick: bool  # the scores of one forward pass alone
    prefix_tokens: int  # that the model is given
    suffix_tokens: int  # that it has to give back
    precision: str  # a choice of conf/precision
    device: str  # cpu or cuda: two of them never share an audit
    seed: int  # which non-members are set aside, which tokens neighbours get, which secrets rank
    start_token: int | None  # None: as the model says
    allow_pickle: bool
    k_percent: int = 20  # of Min-K%: what its authors use most (Shi et al. 2023, 2310.16789)
    aside_percent: int = 10  # of the non-members: prefixes, population and pool of tokens
    most_aside: int = 200
    prefix_of_recall_tokens: int = 128  # at most a quarter of the context
    num_neighbours: int = 5
    neighbour_percent: int = 15  # of a document's tokens: as many as BERT's mask
    exact_up_to: int = 10_000  # secrets of a canary that are ranked whole
    num_references: int = 1000  # drawn for a canary of more

    def __post_init__(self) -> None:
        require_whole("--max-tokens", self.max_tokens, 2)
        require_whole("--prefix-tokens", self.prefix_tokens, 1)
        require_whole("--suffix-tokens", self.suffix_tokens, 1)
        require_whole("--seed", self.seed, 0)
        if self.start_token is not None:
            require_whole("--start-token", self.start_token, 0)

    @property
    def extraction_tokens(self) -> int:
        """What a document must have to be tried."""
        return self.prefix_tokens + self.suffix_tokens


def identity(settings: AuditSettings, digests: Mapping[str, Any]) -> str:
    """Eight hex digits of all that is asked: the settings, and what every file holds."""
    asked = {"version": VERSION, "settings": asdict(settings), "digests": digests}
    return sha256(canonical_json(asked).encode())[:8]


@dataclass(frozen=True, kw_only=True)
class AuditRequest:
    """What is audited, with what."""

    target: AuditTarget
    references: Sequence[AuditTarget]
    members: Path
    nonmembers: Path
    canaries: Path | None
    settings: AuditSettings

    def digests(self) -> dict[str, Any]:
        """SHA-256 of every file that is read; raises ValueError for a model beside itself."""
        digests: dict[str, Any] = {
            "members": self._digest(self.members),
            "nonmembers": self._digest(self.nonmembers),
        }
        if digests["members"] == digests["nonmembers"]:
            raise ValueError(f"{self.members} and {self.nonmembers} are the same file")
        if self.canaries is not None:
            if not self.canaries.is_file():
                raise ValueError(f"there is no file {str(self.canaries)!r}")
            digests["canaries"] = sha256_of_file(self.canaries)
        own = dict(self.target.digests())
        others = [dict(reference.digests()) for reference in self.references]
        if own in others:
            raise ValueError("the reference is the model itself: it would explain everything")
        return {"model": own, "references": others, **digests}

    def _digest(self, document_set: Path) -> dict[str, str]:
        """Of each file, beside how it is read: two formats give two sets of documents."""
        return {
            f"{number}, {kind.label}": sha256_of_file(path)
            for number, (path, kind) in enumerate(
                kinds_of(document_set, self.settings.field), start=1
            )
        }

    def folder_name(self, digests: Mapping[str, Any]) -> str:
        """The model's name and eight hex digits of all that is asked."""
        signs = (sign if sign.isalnum() or sign in "-_." else "-" for sign in self.target.name)
        return f"{''.join(signs)}-{identity(self.settings, digests)}"
