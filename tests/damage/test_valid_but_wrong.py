"""Files that are whole and say what cannot be; devices that are not here; dry runs."""

import io
import json
import os
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

from rote.coding.container import MAGIC, PREAMBLE, VERSION, unpack
from rote.ledger.spec import read_spec
from rote.ledger.store import Store
from rote.run.execute import execute
from rote.training.training_run import Interrupted
from tests.conftest import TINY, MakeSpec
from tests.damage import world
from tests.damage.conftest import Rote

HEADER: dict[str, Any] = {
    "run_id": "0" * 16, "weights_sha256": "0", "corpus": None, "kind": "array",
    "shape": {"dtype": "<u1", "shape": [8]}, "content_bytes": 8, "content_sha256": "0",
    "num_tokens": 8, "window_tokens": 8, "num_windows": 1, "windows_at_once": 1, "threads": 1,
    "made_with": {},
}  # fmt: skip


def packed(header: bytes, words: bytes = b"") -> bytes:
    body = PREAMBLE.pack(MAGIC, VERSION, len(header)) + header + words
    return body + sha256(body).digest()


@pytest.mark.parametrize(
    "header",
    [
        b"", b"[]", b"{}", b"null", b"[" * 100_000, b"\xff", b'{"a": 1e999}',
        *(
            json.dumps({**HEADER, key: value}).encode()
            for key, value in (
                ("run_id", 5), ("kind", "pickle"), ("num_tokens", 10**30), ("num_tokens", -1),
                ("num_tokens", 10**12), ("window_tokens", 0), ("windows_at_once", 10**9),
                ("windows_at_once", 0), ("threads", 10**9), ("threads", 0), ("num_windows", 7),
                ("shape", {"dtype": "O", "shape": [8]}), ("shape", {"shape": [-1]}),
                ("made_with", [1]), ("corpus", 7),
            )
        ),
    ],
    ids=lambda header: header[:12].decode(errors="replace") + str(len(header)),
)  # fmt: skip
def test_a_compressed_file_that_cannot_be_is_one_line(
    outputs: Path, rote: Rote, header: bytes
) -> None:
    path = outputs.parent / "wrong.rote"
    path.write_bytes(packed(header))
    said = rote("decompress", world.run_of(outputs, 0).run_id, str(path), "-o", "back")
    assert said.code == 2
    assert "wrong.rote" in said.err
    assert not Path("back").exists()


def test_a_header_that_ends_outside_of_its_file_is_one_line() -> None:
    body = PREAMBLE.pack(MAGIC, VERSION, 2**31) + b"{}"
    with pytest.raises(ValueError, match="is damaged"):
        unpack(body + sha256(body).digest(), "a.rote")
    with pytest.raises(ValueError, match="whole words"):
        unpack(packed(json.dumps(HEADER).encode(), b"abc"), "a.rote")
    with pytest.raises(ValueError, match="was not written by"):
        unpack(struct.pack("<6sH", MAGIC, 1), "a.rote")


def test_a_file_of_text_for_a_run_without_text_is_one_line(outputs: Path, rote: Rote) -> None:
    run = world.run_of(outputs, 0)
    weights = sha256(run.weights_path.read_bytes()).hexdigest()
    header = {**HEADER, "run_id": run.run_id, "weights_sha256": weights}
    for kind, shape in (("text", {}), ("array", {"dtype": "<u1", "shape": [9]})):
        path = outputs.parent / "wrong.rote"
        content = json.dumps({**header, "kind": kind, "shape": shape}).encode()
        path.write_bytes(packed(content, b"\x00" * 64))
        assert rote("decompress", run.run_id, str(path), "-o", "back").code == 2


SPECS = {
    "a list": "[1]",
    "a number": "5",
    "nothing": "",
    "a circle": "what: &a\n  task: *a\nhow: {}\n",
    "laughs": "".join(f"a{n}: &a{n} [{', '.join(['*a' + str(n - 1)] * 9)}]\n" for n in range(1, 9))
    .replace("*a0", "x"),
    "deep": "what: " + "{a: " * 5000 + "1" + "}" * 5000,
    "deep lists": "what: " + "[" * 50_000,
    "bytes": "what: !!binary aGVsbG8=\nhow: {}\n",
    "code": "what: !!python/object/apply:os.system [ls]\nhow: {}\n",
    "keys of another kind": "what: {1: 2, [1]: 3}\nhow: {}\n",
    "twice the same key": "what: {}\nwhat: {}\nhow: {}\n",
    "not text": "\x00\x01",
}  # fmt: skip


@pytest.mark.parametrize("text", SPECS.values(), ids=SPECS)
def test_a_spec_that_is_no_spec_is_one_line(outputs: Path, rote: Rote, text: str) -> None:
    path = outputs.parent / "spec.yaml"
    path.write_text(text)
    said = rote("train", "--spec", str(path))
    assert said.code == 2
    assert f"{path} is damaged" in said.err


@pytest.mark.parametrize("kind", ["endless", "large", "a fifo", "a folder"])
def test_no_more_is_read_than_a_spec_can_have(outputs: Path, rote: Rote, kind: str) -> None:
    path = outputs.parent / "spec.yaml"
    if kind == "endless":
        path = Path("/dev/zero")
    elif kind == "large":
        with path.open("wb") as stream:
            stream.truncate(1 << 40)
    elif kind == "a fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert rote("train", "--spec", str(path)).code == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("budget.max_steps", 10**30), ("budget.max_steps", "many"), ("budget.max_steps", -1),
        ("task.num_sequences", 10**18), ("task.num_sequences", "x"), ("task.length", 10**15),
        ("task.vocab_size", 10**14), ("task", 5), ("model", "x"), ("size", [1]), ("seed", "a"),
        ("model.width", 10**12), ("model.num_layers", 10**9), ("optim.clip_norm", "x"),
        ("optim.optimiser.lr", "x"), ("precision.name", 7), ("measure", {"a": 1}),
        ("how.host", {}), ("how.host.threads", 10**40), ("how.log.observers", [1]),
        ("how.host.accelerator", "tpu"), ("how.host.accelerator", "gpu"),
        ("how.host.accelerator", ["cpu"]), ("how.host.compile", 3), ("how.log", {}),
    ],
)  # fmt: skip
def test_a_spec_with_absurd_values_is_one_line(
    outputs: Path, rote: Rote, key: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    monkeypatch.setattr(
        "rote.run.execute.execute", lambda *_, **__: pytest.fail("this would train")
    )
    plain = yaml.safe_load((world.run_of(outputs, 3).path / "spec.yaml").read_text())
    whole, *keys = key.split(".") if key.startswith("how") else ["what", *key.split(".")]
    inner = plain[whole]
    for each in keys[:-1]:
        inner = inner[each]
    inner[keys[-1]] = value
    path = outputs.parent / "spec.yaml"
    path.write_text(yaml.safe_dump(plain))
    assert rote("train", "--spec", str(path)).code == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "tpu", "5"])
@pytest.mark.parametrize("words", [["train", *TINY], ["sweep", "own", "--dry-run"]])
def test_a_device_that_is_not_here_is_one_line(
    outputs: Path, rote: Rote, words: list[str], accelerator: str
) -> None:
    given = [word for word in words if "accelerator" not in word]
    said = rote(*given, f"host.accelerator={accelerator}")
    assert said.code == 2
    assert "host.accelerator" in said.err


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


WRONG_STATES = {
    "a list": saved([1]),
    "wrong kinds": saved({"curve": 5, "progress": [], "model": 1, "optimiser": 1, "rng": 1}),
    "no checkpoint": b"not one",
    "a pickle": saved(Evil()),
}


@pytest.mark.parametrize("state", WRONG_STATES.values(), ids=WRONG_STATES)
def test_a_whole_file_that_is_no_checkpoint_is_passed_over(
    tiny: MakeSpec, store: Store, state: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec, steps = tiny(), []
    run = store.run(spec.run_id)
    with pytest.raises(Interrupted):
        execute(spec, store, stop=lambda: len(steps) > 11 or bool(steps.append(0)))
    digest = sha256(state).hexdigest()
    (run.checkpoints_path / f"0000000020.{digest}").write_bytes(state)
    os.mkfifo(run.checkpoints_path / f"0000000021.{digest}")
    (run.checkpoints_path / f"0000000022.{digest}").mkdir()
    execute(spec, store)
    assert run.circumstances()["resumed_at_step"] == 13
    assert not Path("evil").exists()


def a_sweep_of_text(folder: Path) -> None:
    (folder / "own.txt").write_text("".join(f"line {number}\n" for number in range(200)))
    fixed = [word for word in TINY if not word.startswith("task.")]
    fixed += ["task=text", "task/source=files", "task.source.paths=[own.txt]", "task.length=8",
              "task.num_sequences=4", "task.num_heldout_sequences=1"]  # fmt: skip
    settings = ", ".join(word.replace("=", ": ", 1) for word in fixed)
    sweep = f"question: What?\nreport: capacity\nfixed: {{{settings}}}\ngrid: {{}}\n"
    (folder / "sweeps" / "text.yaml").write_text(sweep)


@pytest.mark.parametrize(
    "words",
    [
        ["own"],
        ["own", "seed=7,8"],
        ["text"],
    ],
)  # fmt: skip
def test_a_dry_run_writes_nothing(
    outputs: Path, rote: Rote, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = outputs.parent
    a_sweep_of_text(folder)
    monkeypatch.setenv("ROTE_OUTPUTS", str(folder / "none"))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert rote("sweep", *words, "--dry-run").code == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert os.environ["ROTE_OUTPUTS"] == str(folder / "none")


def test_a_dry_run_finds_text_that_is_prepared(
    outputs: Path, rote: Rote, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_sweep_of_text(outputs.parent)
    assert rote("sweep", "text").code == 1  # nothing trains here
    monkeypatch.setattr(
        "rote.tasks.text.prepare._make", lambda *_: pytest.fail("it was prepared again")
    )
    before = {path: path.stat().st_mtime_ns for path in outputs.rglob("*")}
    assert rote("sweep", "text", "--dry-run").code == 0
    assert {path: path.stat().st_mtime_ns for path in outputs.rglob("*")} == before


def test_a_spec_that_rote_wrote_is_read_as_it_was(tiny: MakeSpec, store: Store) -> None:
    for spec in (tiny(), tiny("control=[goldfish]", "precision=bf16_mixed")):
        run = store.run(spec.run_id)
        run.begin(spec)
        assert read_spec(run.path / "spec.yaml") == spec
