"""Stream text from the Hugging Face hub; no torch."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rote.core.checks import require_whole
from rote.io.write import canonical_json, sha256, sha256_of_file
from rote.tasks.text.reading.formats import files_of
from rote.tasks.text.reading.rows import content_of
from rote.tasks.text.sources import Piece, pieces, wanted_text

# Readers of `datasets` for local files. Others hold no text, and that of pandas files unpickles.
READERS = ("arrow", "csv", "json", "parquet", "text", "xml")
COMMIT = re.compile(r"[0-9a-f]{40}")
ANSWER_SECONDS = 10.0  # the hub is queried once before streaming, without retries


@dataclass(frozen=True, kw_only=True)
class HuggingFace:
    """A data set of the hub through ``datasets`` (extra ``text``), one document per row.

    ``repository`` without a slash is one of `READERS` for the local ``data_files``. Raises
    ValueError for another reader, and if the hub does not answer or lacks the data.
    """

    repository: str
    name: str | None
    split: str
    revision: str | None  # a commit pins the data; a branch or null is looked up
    field: str
    data_files: Sequence[str] | None
    max_documents: int | None

    def __post_init__(self) -> None:
        if not isinstance(self.repository, str):
            raise ValueError("task.source.repository must name a data set, like owner/name")
        if "/" not in self.repository and self.repository not in READERS:
            raise ValueError(
                f"task.source.repository={self.repository!r} is neither owner/name nor one of the "
                f"readers {', '.join(READERS)}"
            )
        if self.max_documents is not None:
            require_whole("task.source.max_documents", self.max_documents, 1)
        if self.data_files is not None:
            object.__setattr__(self, "data_files", tuple(map(str, self.data_files)))

    def version(self) -> str:
        """Return a digest of the commit, or of local files, and of what is selected from them."""
        known = bool(self.revision and COMMIT.fullmatch(self.revision))
        wanted = [self.name, self.split, self.field, self.data_files, self.max_documents]
        content = self.revision if known else self._look_up()
        return sha256(canonical_json([self.repository, content, *wanted]).encode())

    def total_bytes(self) -> int | None:
        """Return None: only the stream shows its size."""
        return None

    def pieces(self) -> Iterator[Piece]:
        """Yield row after row in the order of the hub."""
        wanted = wanted_text(self.field, "set task.source.field")
        for number, row in enumerate(islice(self._rows(), self.max_documents), start=1):
            text = content_of(row, wanted, f"{self.repository}, row {number}")
            yield from pieces([str(text or "")], is_null=text is None)

    def _rows(self) -> Iterator[Any]:
        commit = self._look_up() if "/" in self.repository else None
        try:
            from datasets import load_dataset

            files = None if self.data_files is None else list(self.data_files)
            yield from load_dataset(
                self.repository,
                self.name,
                split=self.split,
                revision=commit,
                data_files=files,
                streaming=True,
            )
        except ImportError as error:
            raise _needs_extra(error) from error
        except Exception as error:  # each reader of `datasets` raises its own library's errors
            raise self._cannot_read(error) from error

    def _look_up(self) -> str:
        """Return the commit of the revision now, or digests of local files."""
        if "/" not in self.repository:
            paths = [path for pattern in self.data_files or () for path in files_of(pattern)]
            return canonical_json([sha256_of_file(path) for path in paths])
        try:
            from huggingface_hub import HfApi

            info = HfApi().dataset_info(
                self.repository, revision=self.revision, timeout=ANSWER_SECONDS
            )
        except ImportError as error:
            raise _needs_extra(error) from error
        except Exception as error:  # errors of its HTTP library, which has changed before
            raise self._cannot_read(error) from error
        return str(info.sha)

    def _cannot_read(self, error: Exception) -> ValueError:
        return ValueError(
            f"cannot read {self.repository!r} from the Hugging Face hub "
            f"({type(error).__name__}: {error}): is there a network? task/source=files needs none"
        )


def _needs_extra(error: ImportError) -> ValueError:
    return ValueError(f"task/source=huggingface needs pip install 'rote[text]' ({error})")
