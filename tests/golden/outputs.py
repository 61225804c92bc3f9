"""The goldens' outputs folder, unpacked, and what commands say of it."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl

from rote.analysis.audit.report import write_report
from rote.auditing.stored import CANARIES, FACTS, SCORES, StoredAudit
from tests.golden.cases import COMMANDS, FOLDERS
from tests.golden.page_content import page_content
from tests.inprocess import rote

HERE = Path(__file__).parent
ARCHIVE = HERE / "outputs.tar.xz"
AUDIT = HERE / "audit"  # as `rote audit` left it, of the small GPT-2 of tests/auditing


def unpack(folder: Path) -> Path:
    """The outputs folder with all runs, in ``folder``."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder / "outputs", filter="data")
    return folder / "outputs"


def answer(outputs: Path, name: str) -> dict[str, Any]:
    """What one of the commands writes; raises AssertionError where it fails."""
    (other,) = (path.name for path in outputs.glob("sweeps/random_labels-*"))
    words = [word.format(other=other) for word in COMMANDS[name]]
    written = outputs / FOLDERS[words[0]]
    before = set(written.glob("*"))
    with mock.patch.dict(os.environ, {"ROTE_OUTPUTS": str(outputs), "WANDB_MODE": "disabled"}):
        done = rote(HERE, *words)
    assert done.returncode == 0, done.stderr
    (folder,) = set(written.glob("*")) - before
    return page_content(folder)


def audit_answer(folder: Path) -> dict[str, Any]:
    """What the page and the numbers of the stored audit hold, written into ``folder``."""
    with np.load(AUDIT / CANARIES) as arrays:
        canaries = dict(arrays)
    facts = json.loads((AUDIT / FACTS).read_text())
    scores = pl.read_parquet(AUDIT / SCORES)
    write_report(StoredAudit(scores=scores, facts=facts, canaries=canaries), folder)
    return page_content(folder)


def every_answer(folder: Path) -> dict[str, dict[str, Any]]:
    """Of each command, on outputs unpacked once: capacity first, by which others scale."""
    outputs = unpack(folder)
    answers = {name: answer(outputs, name) for name in COMMANDS}
    return answers | {"audit": audit_answer(folder / "audit")}
