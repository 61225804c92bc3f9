"""What is asked of an audit, and the name that follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.auditing.documents import kinds_of
from rote.auditing.settings import AuditSettings, identity
from rote.auditing.targets import AuditTarget
from rote.io.write import sha256_of_file


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
