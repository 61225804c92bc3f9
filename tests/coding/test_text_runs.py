"""Text through runs that were trained on text: by bytes, and by a tokeniser trained for it."""

import argparse
import json
from pathlib import Path

import pytest
from tests.shared import Shared

from rote.cli.main import main
from rote.ledger.store import Store

SOURCE = Path(argparse.__file__).read_bytes()
TINY = (
    "task=text", "task/source=files", "task.source.paths=[corpus.txt]", "task.length=32",
    "task.num_sequences=300", "task.num_heldout_sequences=50", "size=demo_s", "size.width=24",
    "measure=[cost,extraction]", "measure.extraction.prefix_tokens=[8,16]",
    "measure.extraction.num_sequences=40", "budget=demo", "budget.max_steps=60", "log=none",
    "log.keep_weights=true", "host.accelerator=cpu",
)  # fmt: skip
TOKENISERS = {
    "bytes": ["task/tokeniser=bytes"],
    "bpe": ["task/tokeniser=bpe", "task.tokeniser.vocab_size=400"],
}


@pytest.fixture(scope="module")
def outputs(shared: Shared) -> Path:
    """A run for each tokeniser, in folders of their own."""
    return shared.folder("text", _train)


def _train(folder: Path) -> None:
    corpus = folder / "corpus.txt"
    corpus.write_bytes(SOURCE[:60_000])
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for name, overrides in TOKENISERS.items():
            patched.setenv("ROTE_OUTPUTS", str(folder / name))
            assert main(["train", *TINY, *overrides]) == 0


@pytest.fixture
def run(outputs: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs / name))
    monkeypatch.chdir(tmp_path)
    (only,) = (outputs / name / "runs").iterdir()
    return only.name


@pytest.mark.parametrize("name", sorted(TOKENISERS))
def test_unseen_text_comes_back_and_takes_the_bits_that_were_claimed(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("unseen.py").write_bytes(SOURCE[60_000:] + "déjà vu".encode())
    assert main(["compress", run, "unseen.py", "-o", "packed", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["content_bytes"] > 35_000
    assert told["achieved_bits"] == pytest.approx(told["claimed_bits"], rel=1e-3)
    assert told["achieved_bits"] < 7 * told["content_bytes"]  # it has learned something
    assert main(["decompress", run, "packed", "-o", "back"]) == 0
    assert Path("back").read_bytes() == Path("unseen.py").read_bytes()


@pytest.mark.parametrize("name", sorted(TOKENISERS))
def test_bytes_that_are_no_text(run: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("image").write_bytes(bytes(range(256)) * 2)
    code = main(["compress", run, "image", "-o", "packed"])
    if name == "bytes":
        assert code == 0
        assert main(["decompress", run, "packed", "-o", "back"]) == 0
        assert Path("back").read_bytes() == Path("image").read_bytes()
    else:
        assert code == 2
        assert "image is not UTF-8 (byte 128): a run with byte-level" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bpe"])
def test_extraction_names_the_samples(run: str, name: str, outputs: Path) -> None:
    arrays = Store(outputs / name).run(run).arrays()
    for split in ("train", "heldout"):
        assert arrays[f"extraction.{split}_extracted_8"].shape == (40,)
        ids = arrays[f"cost.{split}_sample_ids"][:40]
        assert list(arrays[f"extraction.{split}_sample_ids"]) == list(ids)
