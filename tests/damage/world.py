"""An outputs folder with every kind of file in it, of runs that never ran; ways to damage it."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rote.cluster.plan import Plan
from rote.cluster.planning import make_plan
from rote.config.build import build
from rote.config.compose import Composer
from rote.config.sweep import read_sweep
from rote.io.write import sha256, write_json
from rote.ledger.store import RunFolder, Store
from rote.run.weights import save_weights
from tests.conftest import TINY
from tests.site.planted import CIRCUMSTANCES, record_of

SWEEP = "question: Is {name} sound?\nreport: capacity\nfixed: {fixed}\ngrid: {{product: {axes}}}\n"
AXES = {"own": "{seed: [0, 1, 2, 3]}", "other": "{seed: [0, 1, 4]}"}
UID = "0123456789ab"
PAGES = {
    "reports": "report.html", "comparisons": "report.html", "fits": "fit.html",
    "plans": "plan.html", "audits": "audit.html",
}  # fmt: skip


def make(folder: Path) -> Path:
    """In ``folder`` sweeps/ and outputs/: of "own" two runs are done, one failed, one is begun."""
    (folder / "sweeps").mkdir(parents=True)
    fixed = "{" + ", ".join(word.replace("=", ": ", 1) for word in TINY) + "}"
    outputs = folder / "outputs"
    for name, axes in AXES.items():
        path = folder / "sweeps" / f"{name}.yaml"
        path.write_text(SWEEP.format(name=name, fixed=fixed, axes=axes))
        plan, _ = make_plan(read_sweep(path), Composer())
        plan.save(outputs)
        _plant(outputs, plan, done=2 if name == "own" else 3)
        _journal(outputs, plan)
    _pages(outputs)
    _corpus(outputs / "corpora" / "text-0123456789abcdef")
    return folder


def run_of(outputs: Path, index: int) -> RunFolder:
    """Of sweep "own", by its place in the plan: 0 and 1 are done, 2 failed, 3 is begun."""
    plan = json.loads((Path(outputs) / "sweeps" / "own" / "plan.json").read_text())
    return Store(outputs).run(plan["points"][index]["run_id"])


def _plant(outputs: Path, plan: Plan, *, done: int) -> None:
    for index, spec in enumerate(plan.specs):
        run = Store(outputs).run(spec.run_id)
        if run.is_done():
            continue
        rows = [{"step": step, "tokens": 8 * step, "memorised_bits": 1.5} for step in (10, 20)]
        run.begin(spec, "".join(json.dumps(row) + "\n" for row in rows))
        write_json(run.manifest_path, {"version": 1, "seed": 0, "canaries": []})
        if index < done:
            task = build(spec.what["task"])
            torch.manual_seed(index)
            model = build(spec.what["model"], vocab_size=task.vocab_size, max_length=task.length)
            save_weights(model, run)
            arrays = {"cost.train_code_bits": np.zeros(8, np.float32)}
            record = record_of(spec, index)
            cost = {
                **record.measures["cost"],
                "train_sequences": spec.what["task"]["num_sequences"],
            }
            run.finish(replace(record, measures={"cost": cost}), arrays, CIRCUMSTANCES)
            continue
        log = outputs / "sweeps" / plan.name / "jobs" / UID / "71_0_log.err"
        life = {"log": str(log), "step": 0, "time_unix_seconds": 1.5, "restarts": 0}
        write_json(run.path / "worker.json", life)
        run.lock_path.touch()
        run.checkpoints_path.mkdir()
        data = b"not one of ours"
        (run.checkpoints_path / f"0000000010.{sha256(data)}").write_bytes(data)
        if index == done:
            run.fail("Diverged: the loss is 17", "Traceback", {})


def _journal(outputs: Path, plan: Plan) -> None:
    folder = outputs / "sweeps" / plan.name
    submission = {
        "uid": UID, "host": "elsewhere", "job_name": "", "state": "sent", "commit": None,
        "time_unix_seconds": 1.0, "jobs": {"71": plan.run_ids},
    }  # fmt: skip
    write_json(folder / "jobs.json", {"version": 1, "submissions": [submission]})
    (folder / "jobs" / UID).mkdir(parents=True)
    (folder / "jobs" / UID / "71_0_log.err").write_text("the last words\n")
    (folder / "lock").touch()


def _pages(outputs: Path) -> None:
    counts = dict.fromkeys(("rows", "scored", "empty", "too_short", "duplicates", "truncated"), 0)
    for kind, page in PAGES.items():
        folder = outputs / kind / ("own" if kind == "reports" else "own-other")
        folder.mkdir(parents=True)
        (folder / page).write_text("<!doctype html><main>found</main>")
        name = "manifest.json" if page == "report.html" else page.replace("html", "json")
        numbers: dict[str, Any] = {
            "name": "own", "headlines": ["found"], "numbers": {}, "sweeps": ["own", "other"],
            "answer": ["found"], "size": {"formula": "L = E"}, "members": counts,
            "nonmembers": counts, "files_sha256": {page: sha256((folder / page).read_bytes())},
        }  # fmt: skip
        write_json(folder / name, numbers)


def _corpus(folder: Path) -> None:
    folder.mkdir(parents=True)
    tokens = np.zeros((4, 8), "<u2").tobytes()
    (folder / "tokens.bin").write_bytes(tokens)
    (folder / "documents.bin").write_bytes(np.zeros(4, "<u4").tobytes())
    content = {
        "settings": {"length": 8}, "vocab_size": 256, "dtype": "<u2",
        "counts": {"windows": 4, "exact_duplicates_removed": 0},
        "digests": {"tokens": sha256(tokens)},
    }  # fmt: skip
    write_json(folder / "manifest.json", content)


def _one_level_down(path: Path) -> None:
    """Each value of an object, or of its first line, becomes one of another type."""
    try:
        text = path.read_text()
        value = json.loads(text.splitlines()[0] if path.suffix == ".jsonl" else text)
        wrong = {key: {"a": 1} if isinstance(each, str) else "x" for key, each in value.items()}
        path.write_text(json.dumps(wrong) + "\n")
    except ValueError:
        path.write_text("what: 5\nhow: [1]\n")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(bytes(range(255, 0, -1)) * 4 + b"\n"),
    "flipped": lambda path: path.write_bytes(
        bytes([*path.read_bytes()[:-9], path.read_bytes()[-9] ^ 2, *path.read_bytes()[-8:]])
        if path.stat().st_size > 9
        else b"x"
    ),
    "a list": lambda path: path.write_text("[1]\n"),
    "a number": lambda path: path.write_text("5\n"),
    "null": lambda path: path.write_text("null\n"),
    "an object": lambda path: path.write_text("{}\n"),
    "one level down": _one_level_down,
    "deep": lambda path: path.write_text("[" * 100_000 + "]" * 100_000 + "\n"),
    "below the limit": lambda path: path.write_text('{"a":' * 900 + "1" + "}" * 900 + "\n"),
    "absurd numbers": lambda path: path.write_text('{"step": 1e999, "a": ' + "9" * 5000 + "}\n"),
    "half a character": lambda path: path.write_text('{"name": "\\ud800", "log": "\\ud800"}\n'),
    "aliases": lambda path: path.write_text("what: &a [*a]\nhow: *a\n"),
    "a folder": _folder,
    "a fifo": _fifo,
    "a link to nothing": lambda path: _link(path, "nothing"),
    "a link to itself": lambda path: _link(path, path.name),
    "missing": lambda path: path.unlink(),
}


def _of_run(index: int, name: str) -> Callable[[Path], Path]:
    return lambda outputs: run_of(outputs, index).path / name


def _checkpoint(outputs: Path) -> Path:
    return next(run_of(outputs, 3).checkpoints_path.iterdir())


FILES: dict[str, Callable[[Path], Path]] = {
    **{
        f"done/{name}": _of_run(0, name)
        for name in (
            "spec.yaml", "curve.jsonl", "arrays.npz", "circumstances.json", "manifest.json",
            "model.safetensors", "seal.json", "record.json",
        )
    },
    "failed/failure.json": _of_run(2, "failure.json"),
    **{
        f"begun/{name}": _of_run(3, name)
        for name in ("spec.yaml", "curve.jsonl", "worker.json", "lock")
    },
    "begun/checkpoints/": _checkpoint,
    **{
        name: (lambda outputs, name=name: outputs / name)
        for name in (
            "sweeps/own/plan.json", "sweeps/own/jobs.json", "sweeps/own/lock",
            "reports/own/manifest.json", "reports/own/report.html",
            "comparisons/own-other/manifest.json", "fits/own-other/fit.json",
            "plans/own-other/plan.json", "audits/own-other/audit.json",
            "audits/own-other/audit.html", "corpora/text-0123456789abcdef/manifest.json",
            "corpora/text-0123456789abcdef/tokens.bin", "site/made.json",
        )
    },
}  # fmt: skip


def copy(template: Path, folder: Path) -> Path:
    """A world of its own, times kept; returns its outputs."""
    shutil.copytree(template, folder, symlinks=True)
    for path in folder.glob("outputs/runs/*/worker.json"):
        path.write_text(path.read_text().replace(str(template), str(folder)))
    return folder / "outputs"
