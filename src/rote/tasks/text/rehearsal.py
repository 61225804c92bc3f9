"""Text prepared for a look at it: the outputs folder is read, not written to; no torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rote.io.outputs import OUTPUTS_VARIABLE
from rote.tasks.text.prepared import corpora_folder


@contextmanager
def rehearsal() -> Iterator[None]:
    """Until the block ends, corpora that are not prepared yet are made in a temporary folder."""
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
