"""Turn a recipe into a prepared corpus, once; no torch.

Work happens in outputs/corpora/.<request>.part and resumes there after a kill; the result appears
under its content hash by one rename. requests/<request>.json records which corpus a recipe gave, so
the next time the source is only hashed, not prepared.
"""

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from rote.core.progress import Progress
from rote.io.read import read_json
from rote.io.shapes import anything, keyed, mapped, text
from rote.io.write import canonical_json, sha256, write_json
from rote.tasks.text.pipeline import PreparationPipeline
from rote.tasks.text.prepared import MANIFEST, corpora_folder, is_prepared, open_prepared
from rote.tasks.text.recipe import Recipe

ID_DIGITS = 16
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class PreparedText:
    """A recipe, and the id that its corpus must have, if one is given."""

    recipe: Recipe
    corpus: str | None

    def __call__(self, progress: Progress) -> dict[str, Any]:
        """Prepare before a run has its id; raises ValueError if the source gives another corpus."""
        if self._is_there() and not self._has_its_source():
            return {"corpus": self.corpus}  # it was copied here without its source
        return {"corpus": self._made(progress)}

    def open_or_make(self, progress: Progress) -> str:
        """Return the corpus for a worker: as prepared, or made again from the source."""
        if self.corpus is not None and self._is_there():
            return self.corpus
        return self._made(progress)

    def _is_there(self) -> bool:
        """Return whether it is prepared; raises ValueError if with other settings."""
        if self.corpus is None or not is_prepared(self.corpus):
            return False
        there = open_prepared(self.corpus).manifest["settings"]
        for key, wanted in self.recipe.settings().items():
            if there.get(key) != wanted:
                raise ValueError(
                    f"task.corpus={self.corpus} was prepared with {key}={there.get(key)}, "
                    f"the configuration says {wanted}: leave task.corpus out"
                )
        return True

    def _has_its_source(self) -> bool:
        try:
            self.recipe.versions()
        except (ValueError, OSError):
            return False
        return True

    def _made(self, progress: Progress) -> str:
        corpus = prepare(self.recipe, progress)
        if self.corpus not in (None, corpus):
            raise ValueError(
                f"the corpus has changed: task.corpus={self.corpus} is wanted, "
                f"the source gives {corpus} now"
            )
        return corpus


def prepare(recipe: Recipe, progress: Progress) -> str:
    """Return the corpus id; one process prepares, others with the same request wait.

    Raises ValueError for a source or a tokeniser that makes no corpus, and for a full disk.
    """
    # The source is hashed at every call, so an edited file gives a new corpus.
    content = [recipe.settings(), *recipe.versions()]
    request = sha256(canonical_json(content).encode())[:ID_DIGITS]
    requests = corpora_folder() / "requests"
    try:
        requests.mkdir(parents=True, exist_ok=True)
        with FileLock(requests / f"{request}.lock"):
            known = requests / f"{request}.json"
            if corpus := _remembered(known):
                return corpus
            corpus = _make(recipe, corpora_folder() / f".{request}.part", progress)
            write_json(known, {"corpus": corpus})
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise ValueError(
            f"no space is left for the corpus in {corpora_folder()}: free some and start again, "
            "what is done is kept"
        ) from error
    return corpus


def _remembered(known: Path) -> str | None:
    """Return the corpus of an earlier request; None if unknown or deleted; raises Damaged."""
    try:
        corpus: str = read_json(known, keyed({"corpus": text}))["corpus"]
        return corpus if is_prepared(corpus) and open_prepared(corpus) else None
    except FileNotFoundError:
        return None


def _make(recipe: Recipe, part: Path, progress: Progress) -> str:
    whole = PreparationPipeline(folder=part, recipe=recipe).carry_out(progress)
    manifest = read_json(whole / MANIFEST, mapped(anything))
    content = {"settings": manifest["settings"], "digests": manifest["digests"]}
    # The word before the digits keeps a command line from parsing them as a number.
    corpus = f"text-{sha256(canonical_json(content).encode())[:ID_DIGITS]}"
    try:
        whole.rename(corpora_folder() / corpus)
    except OSError:  # the same text came from another source
        if not is_prepared(corpus):
            raise
    shutil.rmtree(part)
    return corpus
