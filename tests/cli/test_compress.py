"""`rote compress` and `rote decompress` on a real run."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import COMPOSER, TINY, Refused
from tests.shared import Shared

from rote.cli.main import main
from rote.coding.container import Header, pack, unpack
from rote.ledger.record import Record
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute

TEXT = Path(np.__file__).with_name("__init__.py").read_bytes()[:20_000]


@pytest.fixture(scope="module")
def outputs(shared: Shared) -> Path:
    """Two runs of random bytes, the second without weights, and one of few symbols."""
    return shared.folder("bytes", _train)


def _train(folder: Path) -> None:
    bytes_too = [*TINY, "task.vocab_size=256", "task.length=16", "log.keep_weights=true"]
    for overrides in (
        bytes_too,
        [*bytes_too, "seed=1", "log.keep_weights=false"],
        [*TINY, "log.keep_weights=true", "seed=2", "precision=bf16_mixed"],
    ):
        execute(Spec.from_config(COMPOSER.config(overrides)), Store(folder))


@pytest.fixture(autouse=True)
def _there(outputs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs))
    monkeypatch.chdir(tmp_path)
    yield


@pytest.fixture
def records(outputs: Path) -> dict[int, Record]:
    """By seed."""
    paths = outputs.glob("runs/*/record.json")
    found = [Store(outputs).run(path.parent.name).record() for path in paths]
    return {record.what["seed"]: record for record in found}


def test_a_file_comes_back_and_takes_the_bits_that_were_claimed(
    records: dict[int, Record], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text").write_bytes(TEXT)
    run = records[0].run_id
    assert main(["compress", run[:8], "text", "-o", "text.rote", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run_id"] == run
    assert told["content_bytes"] == 20_000
    assert told["achieved_bits"] == pytest.approx(told["claimed_bits"], rel=1e-3)
    assert told["file_bytes"] == Path("text.rote").stat().st_size
    assert told["achieved_bits"] == 8 * (told["file_bytes"] - told["header_bytes"])
    assert sorted(told["rival_bytes"]) == ["xz -9e", "zlib -9", "zstd -22"]
    assert main(["decompress", run, "text.rote", "-o", "back"]) == 0
    assert Path("back").read_bytes() == TEXT


@pytest.mark.parametrize("seed", [0, 2])
def test_the_training_set_takes_the_bits_of_the_record(
    records: dict[int, Record], capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    record, folder = records[seed], Path("set")
    folder.mkdir()
    words = ["compress", record.run_id, "--task-train", "-o", "set/train.rote", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    # bfloat16 products of one position are rounded at other places than those of all.
    rel = 1e-6 if record.what["precision"]["name"] == "fp32" else 1e-2
    assert told["claimed_bits"] == pytest.approx(
        record.measures["cost"]["train_code_bits"], rel=rel
    )
    assert main(["decompress", record.run_id, "set/train.rote", "-o", "set/train.npy"]) == 0
    task = record.what["task"]
    assert np.load("set/train.npy").shape == (task["num_sequences"], task["length"])


def test_an_empty_file_comes_back(records: dict[int, Record]) -> None:
    Path("empty").touch()
    assert main(["compress", records[0].run_id, "empty", "-o", "packed"]) == 0
    assert main(["decompress", records[0].run_id, "packed", "-o", "back"]) == 0
    assert Path("back").read_bytes() == b""


def test_a_damaged_file_another_run_and_another_model_are_told(
    records: dict[int, Record], refused: Refused
) -> None:
    Path("text").write_bytes(TEXT[:500])
    run = records[0].run_id
    assert main(["compress", run, "text", "-o", "good"]) == 0
    good = Path("good").read_bytes()
    header, words = unpack(good, "good")
    torn = bytearray(good)
    torn[-50] ^= 1
    changed = {
        "cut": (good[:-9], "cut is damaged or cut short"),
        "short": (good[:10], "short was not written by rote compress"),
        "torn": (bytes(torn), "torn is damaged or cut short"),
        "foreign": (TEXT, "foreign was not written by rote compress"),
        "model": (changed_header(header, words, weights_sha256="0"), "is not the model"),
        "machine": (
            changed_header(header, words[::-1].copy(), made_with={"torch": "1.0"}),
            "other probabilities here than where the file was made: torch 1.0 there, 2.",
        ),
    }
    for name, (content, told) in changed.items():
        Path(name).write_bytes(content)
        assert told in refused("decompress", run, name, "-o", "back"), name
    told = refused("decompress", records[2].run_id, "good", "-o", "back")
    assert f"good was made with run {run}, not {records[2].run_id}" in told
    assert not Path("back").exists()


def changed_header(header: Header, words: np.ndarray, **values: object) -> bytes:
    return pack(Header(**{**vars(header), **values}), words)


def test_bad_input_is_one_line_and_nothing_is_written(
    records: dict[int, Record], refused: Refused
) -> None:
    Path("text").write_bytes(TEXT[:100])
    run, without, few = (records[seed].run_id for seed in (0, 1, 2))
    for words, told in (
        ([run, "text", "-o", "text"], "text exists: --force replaces it"),
        ([run, "text", "-o", "no/such/folder"], "no/such/folder cannot be written"),
        ([run, "text", "-o", "."], ". cannot be written"),
        ([run, "nothing", "-o", "out"], "nothing"),
        ([run, "-o", "out"], "give a FILE, or --task-train"),
        ([run, "text", "--task-train", "-o", "out"], "give a FILE, or --task-train"),
        (["nope", "text", "-o", "out"], "run or launched sweep 'nope' is not known"),
        (["", "text", "-o", "out"], "RUN must not be empty"),
        ([without, "text", "-o", "out"], f"run {without} kept no weights"),
        ([few, "text", "-o", "out"], "16 symbols are too few for bytes"),
    ):
        assert told in refused("compress", *words)
    assert Path("text").read_bytes() == TEXT[:100]
    assert not Path("out").exists()
    assert main(["compress", run, "text", "-o", "text", "--force"]) == 0
