"""Read every file of the outputs folder and compare it with its stored digest."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rote.cluster.journal import Journal
from rote.cluster.limits import reached
from rote.cluster.liveness import last_attempt
from rote.cluster.plan import launched, load_plan, sweep_folder
from rote.core.progress import Progress, with_progress
from rote.io.outputs import below
from rote.io.read import Damaged, is_regular, open_regular, read_json
from rote.io.shapes import anything, mapped, text
from rote.io.write import sha256_of_file
from rote.ledger.claim import require_lockable
from rote.ledger.curve import FAILURE
from rote.ledger.store import RunFolder, Store
from rote.tasks.text.prepared import PREPARE_AGAIN, TOKENS, open_prepared

Check = Callable[[], object]  # raises ValueError or OSError
CHANGED = "it is not what was written (SHA-256 differs)"
WRITTEN_AGAIN = "the command that wrote it writes it anew"
NUMBERS = {
    "reports": "manifest.json", "comparisons": "manifest.json", "fits": "fit.json",
    "plans": "plan.json", "audits": "audit.json",
}  # fmt: skip


def damaged_files(outputs: Path, progress: Progress) -> list[str]:
    """Return one line per damaged thing: the file, the reason and the remedy."""
    found = []
    for check in with_progress(list(_checks(outputs)), "reading all outputs", progress):
        try:
            check()
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            found.append(str(error))
    return found


def _checks(outputs: Path) -> Iterator[Check]:
    store = Store(outputs)
    for name in launched(outputs):
        yield partial(load_plan, outputs, name)
        yield Journal(sweep_folder(outputs, name)).submissions
        yield partial(reached, sweep_folder(outputs, name), store)
    for run in store.runs():
        yield from _of_run(run)
    for folder in _folders(outputs / "corpora"):
        yield partial(_require_corpus, folder)
    for kind, name in NUMBERS.items():
        for folder in _folders(outputs / kind):
            yield partial(_require_files, folder, name)


def _of_run(run: RunFolder) -> Iterator[Check]:
    if run.is_done():
        yield partial(run.require_undamaged, thorough=True)
        return
    if os.path.lexists(run.path / "spec.yaml"):
        yield run.spec
    yield run.curve
    yield partial(read_json, run.failure_path, FAILURE, "rote retry tries the run again")
    yield partial(last_attempt, run)
    yield partial(require_lockable, run.lock_path)
    for path in sorted(run.checkpoints_path.glob("[0-9]*.*")):
        yield partial(_require_named_by_digest, path)


def _require_named_by_digest(path: Path) -> None:
    open_regular(path).close()
    if path.name.partition(".")[2] != sha256_of_file(path):
        raise Damaged(
            path, "its name is not the digest of its bytes", "the run goes on from the one before"
        )


def _require_corpus(folder: Path) -> None:
    prepared = open_prepared(folder.name)
    digests = prepared.manifest.get("digests")
    kept = digests.get("tokens") if isinstance(digests, dict) else None
    if kept != sha256_of_file(folder / TOKENS):
        raise Damaged(folder / TOKENS, CHANGED, PREPARE_AGAIN)


def _require_files(folder: Path, name: str) -> None:
    """Compare files with the digests in a manifest; numbers alone have no digests."""
    content = read_json(folder / name, mapped(anything), WRITTEN_AGAIN)
    digests = content.get("files_sha256", {})
    mapped(text)(digests, "files_sha256")
    for each, digest in digests.items():
        path = below(folder, "a file's name", each)
        if not is_regular(path) or sha256_of_file(path) != digest:
            raise Damaged(path, CHANGED, WRITTEN_AGAIN)


def _folders(folder: Path) -> list[Path]:
    hidden = (".", "requests")  # unfinished work, and requests
    return sorted(path for path in folder.glob("*") if not path.name.startswith(hidden))
