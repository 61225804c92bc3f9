"""Find members and non-members in the published files of suites whose membership is known.

hubble    rows with ``text`` and ``duplicates`` (or that key in ``meta``): how often the perturbed
          models saw the text; 0: never (Wei et al. 2025, arXiv 2510.19811)
pythia    train/NAME.jsonl and test/NAME.jsonl of mimir, texts in the training and in the test split
          of the Pile (Duan et al. 2024, arXiv 2402.07841)
canaries  a run's manifest.json, whose controls are the non-members, or rows with ``text`` and
          ``count``
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rote.auditing.document_sets import digests_of, read_files, wanted
from rote.core.progress import Progress
from rote.io.write import sha256_of_file
from rote.tasks.canaries.manifest import read_manifest
from rote.tasks.text.reading.decompression import without_compression
from rote.tasks.text.reading.formats import FileFormat, files_of, kind_of
from rote.tasks.text.reading.rows import DocumentRow

HUBBLE, PYTHIA, CANARIES = "hubble", "pythia", "canaries"
FIELD, COUNTS = "text", {HUBBLE: "duplicates", CANARIES: "count"}
MANIFEST = "manifest.json"
SUFFIXES = (".jsonl", ".parquet")  # a copy of a data set also has a README and other files
SHOWN = 4

Rows = Sequence[DocumentRow]


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Files whose rows say how often each document was inserted; 0: a non-member."""

    name: str
    path: Path

    @property
    def manifest(self) -> Path | None:
        """The manifest of canaries, or None."""
        path = self.path / MANIFEST if self.path.is_dir() else self.path
        return path if self.name == CANARIES and path.name == MANIFEST and path.is_file() else None

    def files(self) -> list[tuple[Path, FileFormat]]:
        """Return the files with rows and how each is read; raises ValueError if there is none."""
        found = [path for path in files_of(str(self.path)) if _suffix(path) in SUFFIXES]
        if not found:
            raise ValueError(
                f"{self.path} holds no {' or '.join(SUFFIXES)} with {FIELD!r} and "
                f"{COUNTS[self.name]!r}, as the suite {self.name} has"
            )
        return [(path, kind_of(path, (FIELD,))) for path in found]

    def digests(self) -> dict[str, str]:
        """Return SHA-256 of each file that is read."""
        if self.manifest is not None:
            return {MANIFEST: sha256_of_file(self.manifest)}
        return digests_of(self.files())

    def rows(self, progress: Progress) -> tuple[Rows, Rows]:
        """Return members and non-members; raises ValueError for a row without a count."""
        if self.manifest is not None:
            rows = _of_manifest(self.manifest)
        else:
            selection = wanted(FIELD, COUNTS[self.name])
            rows = read_files(self.path, self.files(), selection, progress)
        return [row for row in rows if row.count], [row for row in rows if row.count == 0]


def find_suite(name: str, path: Path) -> Suite | tuple[Path, Path]:
    """Return a suite with counts, or the files of members and non-members of ``pythia``.

    Raises ValueError if ``path`` does not hold such a suite.
    """
    if not path.exists():
        raise ValueError(f"there is no file or folder {str(path)!r}")
    return _mimir_files(path) if name == PYTHIA else Suite(name=name, path=path)


def _mimir_files(path: Path) -> tuple[Path, Path]:
    if path.is_file():
        pair = path, path.parent.parent / "test" / path.name
        if not pair[1].is_file() or path.parent.name != "train":
            raise ValueError(f"{path} is no train/NAME.jsonl with a test/NAME.jsonl beside it")
        return pair
    train = {each.name for each in (path / "train").glob("*") if _suffix(each) == ".jsonl"}
    names = sorted(name for name in train if (path / "test" / name).is_file())
    if len(names) == 1:
        return path / "train" / names[0], path / "test" / names[0]
    if not names:
        raise ValueError(f"{path} holds no train/NAME.jsonl with a test/NAME.jsonl, as mimir has")
    few = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    raise ValueError(f"{path} holds {len(names)} subsets ({few}): give one, as {path}/train/NAME")


def _of_manifest(path: Path) -> list[DocumentRow]:
    canaries = read_manifest(path).canaries
    return [
        DocumentRow(number=number, content=one.filled(one.secret), count=one.repeats)
        for number, one in enumerate(canaries, start=1)
    ]


def _suffix(path: Path) -> str:
    return Path(without_compression(path)).suffix
