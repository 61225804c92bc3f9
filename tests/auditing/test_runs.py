"""A run of ours under audit: its random tokens come as token ids, its text as text."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.conftest import COMPOSER, TINY

from rote.cli.main import main
from rote.config.build import build
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.run.execute import execute

SMALL = (
    *TINY, "task.num_sequences=40", "task.num_heldout_sequences=40", "task.vocab_size=64",
    "size.width=48", "budget.batch_size=16", "log.keep_weights=true",
)  # fmt: skip
LONG, SHORT = "budget.max_steps=600", "budget.max_steps=20"


@pytest.mark.parametrize(
    "changes", [(LONG,), (SHORT, "model=lora"), (SHORT, "precision=qat_int8")], ids=str
)
def test_a_run_is_audited_as_it_was_trained_and_tells_what_it_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    changes: tuple[str, ...],
) -> None:  # fmt: skip
    """With adapters or rounded weights too; random tokens that were learnt leak for certain."""
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    store = Store(tmp_path / "outputs")
    spec = Spec.from_config(COMPOSER.config((*SMALL, *changes)))
    record = execute(spec, store)
    task = build(spec.what["task"])
    for name, sequences in (("m", task.train(0)), ("n", task.heldout(0))):
        rows = sequences.tokens(torch.arange(40)).tolist()
        pl.DataFrame({"tokens": rows}).write_parquet(tmp_path / f"{name}.parquet")
    words = ["--members", str(tmp_path / "m.parquet"), "--nonmembers", str(tmp_path / "n.parquet")]
    sizes = ["--prefix-tokens", "3", "--suffix-tokens", "5", "--quick", "--json"]
    run = record.run_id[:8] if LONG in changes else str(store.run(record.run_id).path)
    assert main(["audit", run, *words, *sizes]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["name"] == record.run_id
    if LONG in changes:
        assert found["membership"]["verdict"] == "leaks"
        assert found["membership"]["auroc"]["value"] > 0.95
        assert found["model"]["parameters"] == record.parameters
        assert found["settings"]["precision"] == "fp32" and found["model"]["start_token"] == 0
    # What the audit calls code bits is what the run measured of its own training set.
    (folder,) = (tmp_path / "outputs" / "audits").iterdir()
    scores = pl.read_parquet(folder / "scores.parquet").filter(pl.col("set") == "member")
    wanted = record.measures["cost"]["train_code_bits"]
    assert scores["code_bits"].sum() == pytest.approx(wanted, rel=1e-5)
