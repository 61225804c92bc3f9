"""A reader with the files that the pages speak of, who types their commands as they stand.

Only what a page cannot know is put in: names that depend on what was run before (run ids, names of
changed sweeps) and what a cluster of virtual nodes needs.
"""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.auditing.conftest import make_checkpoints
from tests.conftest import COMPOSER
from tests.docs.pages import PAGES, blocks
from tests.inprocess import rote

from rote.config.data_resolver import DataResolver
from rote.core.progress import no_progress
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute

NUM_DOCUMENTS = 60
RUN_ID = re.compile(r"[0-9a-f]{16}")
CHANGED = re.compile(r"(\w+-[0-9a-f]{6})")  # a sweep that the command line changed
SAME = {  # the names that pages give to one file or folder
    "members.jsonl": ("m.jsonl", "trained_on.jsonl"),
    "nonmembers.jsonl": ("n.jsonl", "held_out.jsonl"),
    "trained": ("MODEL",),
}
TEXT_RUN = (
    "task=text", "task/source=files", "task.source.paths=[FILE]", "task.length=16",
    "task.num_sequences=16", "task.num_heldout_sequences=4", "size=demo_s", "log=none",
    "log.keep_weights=true", "host.accelerator=cpu",
)  # fmt: skip
LAW_SIZES = (1e6, 3e6, 1e7, 3e7, 1e8)
LAW_TOKENS = (1e8, 3e8, 1e9, 3e9, 1e10)


@dataclass
class Reader:
    """Works in ``folder``, which is the current one, through one page from its top to its end."""

    folder: Path
    on_slurm: tuple[str, ...] = ()  # overrides for a cluster; without them its commands are skipped
    changed: list[str] = field(default_factory=list)  # names printed and not yet met on the page
    named: dict[str, str] = field(default_factory=dict)  # name on the page: the name printed

    def furnish(self) -> None:
        """What a reader is told to have: sweep files of the pages, a model, documents, a run."""
        (self.folder / "sweeps").mkdir()
        for text in (text for page in PAGES for text in blocks(page, "yaml")):
            if found := re.match(r"# (sweeps/\w+\.yaml)\n", text):
                (self.folder / found[1]).write_text(text)
        make_checkpoints(self.folder, num=NUM_DOCUMENTS, steps=3)
        for name, others in SAME.items():
            for other in others:
                (self.folder / other).symlink_to(name)
        lines = (f"What model {number} compresses.\n" for number in range(99))
        (self.folder / "FILE").write_text("".join(lines))
        _points_of_a_law(self.folder / "FILE.csv")
        spec = Spec.from_config(DataResolver(no_progress).resolved(COMPOSER.config(TEXT_RUN)))
        execute(spec, Store(Path("outputs")))
        (self.folder / "RUN").symlink_to(Store(self.folder / "outputs").run(spec.run_id).path)

    def type(self, command: list[str]) -> None:
        """Fails where the command does not end with 0."""
        words = [self._meant(word) for word in command[1:]]
        if any(word.startswith(("host=slurm", "host=mine")) for word in words):
            if not self.on_slurm:
                return
            words = [word.replace("host=mine", "host=slurm") for word in words] + [*self.on_slurm]
        elif self.on_slurm and "hydra/launcher=rote_slurm" in words:
            words += ["host=slurm", *self.on_slurm]
        if words[0] == "serve":
            serve(words)
            return
        done = rote(self.folder, *words)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        if words[0] in ("sweep", "train") and (found := CHANGED.search(done.stdout)):
            self.changed.append(found[1])

    def _meant(self, word: str) -> str:
        if RUN_ID.fullmatch(word):
            return min((self.folder / "outputs" / "runs").iterdir()).name
        if not CHANGED.fullmatch(word):
            return word
        if word not in self.named:
            sweep = word.rpartition("-")[0]
            self.named[word] = next(n for n in self.changed if n.rpartition("-")[0] == sweep)
            self.changed.remove(self.named[word])
        return self.named[word]


def serve(words: list[str]) -> None:
    """Until it has printed its address; then Ctrl-C."""
    command = [sys.executable, "-m", "rote", *words, "--port", "0"]
    environment = {**os.environ, "BROWSER": shutil.which("true") or ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert "http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def _points_of_a_law(path: Path) -> None:
    """Besiroglu et al. 2024 (2404.10102): 1.82 + 482 / N^0.3478 + 2085 / D^0.3658, in nats."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("N", "D", "loss"))
        for size in LAW_SIZES:
            for tokens in LAW_TOKENS:
                rows.writerow((size, tokens, 1.82 + 482 / size**0.3478 + 2085 / tokens**0.3658))
