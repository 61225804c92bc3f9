"""Train the goldens' sweeps and keep what reports need of them: `python -m tests.golden.pack`.

Minutes on two cores. Afterwards `python -m tests.golden.pack --answers` writes the page contents
that today's commands produce; `tests/test_golden.py` compares them. A commit that changes them
states which number changed and why.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.golden.cases import OTHER_RATE, SWEEPS
from tests.golden.outputs import ARCHIVE, HERE, every_answer

OF_THE_MACHINE = ("lock", "worker.json")  # in a run's folder, and nothing that a report reads


def main() -> None:
    """Trains and packs; with --answers writes the answers of today's code instead."""
    with tempfile.TemporaryDirectory() as folder:
        if "--answers" in sys.argv:
            for name, answer in every_answer(Path(folder)).items():
                text = json.dumps(answer, indent=1, sort_keys=True) + "\n"
                (HERE / "answers" / f"{name}.json").write_text(text)
        else:
            _train(Path(folder))
            _pack(Path(folder))


def _train(outputs: Path) -> None:
    environment = os.environ | {"ROTE_OUTPUTS": str(outputs), "WANDB_MODE": "disabled"}
    for words in (*((name,) for name in SWEEPS), OTHER_RATE):
        command = [Path(sys.executable).parent / "rote", "sweep", *words, "log=none"]
        subprocess.run(command, check=True, cwd=HERE, env=environment)


def _pack(outputs: Path) -> None:
    """Only what reports read: no path and no log of the machine that trained."""
    kept = [path for path in sorted(outputs.glob("runs/*/*")) if path.name not in OF_THE_MACHINE]
    kept += sorted(outputs.glob("sweeps/*/plan.json"))
    kept += sorted(path for path in outputs.glob("corpora/text-*/*") if path.is_file())
    with tarfile.open(ARCHIVE, "w:xz") as archive:
        for path in kept:
            archive.add(path, path.relative_to(outputs), filter=_nobody)


def _nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
