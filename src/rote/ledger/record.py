"""Define the record of a finished run: raw sums and counts, never ratios."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rote.io.read import Damaged, json_of
from rote.io.shapes import anything, flag, keyed, mapped, number, optional, text, whole
from rote.io.write import canonical_json, sha256

RECORD = Path("record.json")
VERSION = 3  # increase it when a field is added, renamed or removed
ADDED: dict[int, dict[str, Any]] = {
    1: {"embedding_parameters": None, "sealed": False},
    2: {"sealed": False},
}  # older version -> defaults of the fields it lacks
CHECKED = keyed({"sha256": anything, "version": anything})
SHAPE = keyed(
    {
        "run_id": text,
        "what": mapped(anything),
        "parameters": whole,
        "embedding_parameters": optional(whole),
        "entropy_bits": optional(number),
        "entropy_after_first_token_bits": optional(number),
        "training": keyed({"steps": whole}),
        "measures": mapped(mapped(number)),
        "sealed": flag,
    }
)


class DamagedRecord(ValueError):
    """A record that cannot be trusted: torn, edited, or of another schema."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The result of one run; two runs of one spec on one machine give equal records."""

    run_id: str
    what: Mapping[str, Any]
    parameters: int  # those that train: nearly always all; the tied embedding counts once
    embedding_parameters: int | None  # of them, for tokens and positions; None if not recorded
    entropy_bits: float | None  # of the training set; None if the source's entropy is unknown
    entropy_after_first_token_bits: float | None
    training: Mapping[str, Any]  # steps, tokens_seen, converged, growth
    measures: Mapping[str, Mapping[str, float]]  # measure -> totals that can be added
    sealed: bool = True  # whether seal.json beside it holds the digests of the run's files

    def to_json(self) -> str:
        """Return text that carries its own checksum."""
        content = {"version": VERSION, **asdict(self)}
        return json.dumps({"sha256": _digest(content), **content}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, content_json: str | bytes) -> "Record":
        """Parse a record; raises DamagedRecord if the text is not what was written."""
        try:
            content = json_of(content_json, RECORD, CHECKED)
        except Damaged as error:
            raise DamagedRecord(f"not a record ({error.reason})") from error
        if content.pop("sha256") != _digest(content):
            raise DamagedRecord("its checksum does not match its content")
        if (version := content.pop("version")) != VERSION and version not in list(ADDED):
            raise DamagedRecord(f"it has schema version {version}, this program reads {VERSION}")
        try:
            whole_content = {**ADDED.get(version, {}), **content}
            SHAPE(whole_content, "")
            return cls(**whole_content)
        except (ValueError, TypeError) as error:
            raise DamagedRecord(f"not a record ({error})") from error


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(canonical_json(content).encode())
