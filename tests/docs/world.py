"""A folder in which the pages' commands can be carried out, and what their capitals stand for."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from tests.auditing.conftest import make_checkpoints, texts
from tests.docs.pages import PAGES, blocks
from tests.docs.small import small_train, write_small

from rote.cli.main import main
from rote.config.places import sweep_files
from rote.config.sweep import read_sweep

NUM_DOCUMENTS = 60
ACCOUNT = "me/rote"  # that the stand-in for a wandb server knows
RUN_ID = re.compile(r"[0-9a-f]{16}")
CHANGED = re.compile(r"(\w+-[0-9a-f]{6})")  # a sweep that the command line changed
LOCAL = {"hydra/launcher=rote_slurm": "hydra/launcher=rote_local"}
HOSTS = {"host=mine": "host=slurm"}  # a file that the reader is told to write
SAME = {  # a file or folder that is here: the names that pages give to it
    "members.jsonl": ("m.jsonl", "trained_on.jsonl", "m.txt"),
    "nonmembers.jsonl": ("n.jsonl", "held_out.jsonl", "n.txt"),
    "trained": ("MODEL",),
    "untrained": ("OTHER",),
}
LOOKS = {"audit", "doctor", "fit", "plan", "report"}  # pages repeat each other: once is enough
ASKS_WANDB = {"--wandb", "sync", "--push", f"wandb:{ACCOUNT}"}  # which keeps what it first knew
LAW_SIZES = (1e6, 3e6, 1e7, 3e7, 1e8)
LAW_TOKENS = (1e8, 3e8, 1e9, 3e9, 1e10)


@dataclass
class World:
    """Outputs of its own, in the current folder; the commands of a page come in its order."""

    folder: Path
    on_slurm: tuple[str, ...] = ()  # overrides for a cluster; without any, all is run here
    made: list[str] = field(default_factory=list)  # changed sweeps of the page, not yet named on it
    named: dict[str, str] = field(default_factory=dict)  # on the page: here
    looked: set[tuple[str, ...]] = field(default_factory=set)  # commands of LOOKS carried out
    kept: str = ""  # the run whose weights were kept last
    given: frozenset[Path] = frozenset()  # what a reader has before the page

    def furnish(self) -> None:
        """All that a reader is told to have, under the names that the pages give it."""
        written = {path.stem: path for path in sweep_files().values()}
        for text in (text for page in PAGES for text in blocks(page, "yaml")):
            if found := re.match(r"# sweeps/(\w+)\.yaml\n", text):
                written[found[1]] = self.folder / f"{found[1]}.yaml"
                written[found[1]].write_text(text)
        for path in written.values():
            write_small(read_sweep(path), self.folder / "sweeps")
        make_checkpoints(self.folder, num=NUM_DOCUMENTS, steps=3)
        for name, others in SAME.items():
            for other in others:
                (self.folder / other).symlink_to(name)
        (self.folder / "my.txt").write_text("\n".join(texts(3, 600)))
        (self.folder / "FILE").write_bytes(b"what a model may compress\n" * 20)
        _points_of_a_law(self.folder / "FILE.csv")
        self.given = frozenset(self.folder.iterdir())

    def turn_page(self) -> None:
        """Names of changed sweeps are a page's own, and so are files that it makes."""
        self.made, self.named = [], {}
        for path in {*self.folder.iterdir()} - self.given:
            if path.is_file():
                path.unlink()

    def carry_out(self, command: list[str]) -> None:
        """As a person would type it, made small; fails where it does not end with 0."""
        words = self._where(command[1:])
        if words[0] == "train" and words[1] != "--spec":
            words = ["train", *small_train(words[1:])]
        words = [self._meant(word) for word in words]
        if words[0] == "audit" and "FILE" in words:
            words = ["audit", "MODEL", "--members", "m.txt", "--nonmembers", "n.txt"]
        if words[0] == "serve":
            _serve(words)
            return
        if "spec.yaml" in words:
            shutil.copy(self._a_run() / "spec.yaml", ".")
        if tuple(words) in self.looked:
            return
        said = _rote(words)
        if words[0] in LOOKS:
            self.looked.add(tuple(words))
        if words[0] in ("sweep", "train") and (found := CHANGED.search(said)):
            self.made.append(found[1])
        if "log.keep_weights=true" in words and (run := re.search(r"run (\w{16})", said)):
            self.kept = run[1]

    def _where(self, words: list[str]) -> list[str]:
        """Its host: the cluster where there is one, else this machine."""
        if not self.on_slurm:
            return [LOCAL.get(word, word) for word in words if not word.startswith("host")]
        if "hydra/launcher=rote_slurm" in words:
            return [*words, "host=slurm", *self.on_slurm]
        if not any(word.startswith("host=") for word in words):
            return words
        return [*(HOSTS.get(word, word) for word in words), *self.on_slurm]

    def _a_run(self) -> Path:
        return min(self.folder.glob("outputs/runs/*"))

    def _meant(self, word: str) -> str:
        if RUN_ID.fullmatch(word):
            return self._a_run().name
        if CHANGED.fullmatch(word):
            if word not in self.named:
                sweep = word.rpartition("-")[0]
                here = next(name for name in self.made if name.rpartition("-")[0] == sweep)
                self.made.remove(here)
                self.named[word] = here
            return self.named[word]
        if word == "RUN":
            return self.kept
        return word.replace("ENTITY/PROJECT", ACCOUNT).replace("FOLDER", "outputs")


def _rote(words: list[str]) -> str:
    """What it printed."""
    if ASKS_WANDB & {*words}:
        return _in_a_process_of_its_own(words)
    with redirect_stdout(StringIO()) as told:
        assert main(words) == 0, f"{words}: {told.getvalue()[-2000:]}"
    return told.getvalue()


def _in_a_process_of_its_own(words: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rote", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def _serve(words: list[str]) -> None:
    """Until it has said where; then Ctrl-C."""
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
