"""A sweep on text through a worker: its runs read the corpus that planning prepared."""

import json
from pathlib import Path

import pytest
from tests.inprocess import rote

SWEEP = """
question: Is the corpus found?
report: capacity
fixed:
  task: text
  task/source: files
  task.source.paths: [words.txt]
  task.length: 8
  task.num_heldout_sequences: 4
  size: demo_s
  budget: demo
  budget.max_steps: 20
  budget.batch_size: 4
  budget.check_every_steps: 10
  log: none
  host.accelerator: cpu
grid:
  product: {task.num_sequences: [8, 16], task.pool: [train, reference]}
"""


def test_a_worker_reads_what_was_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preloaded_workers: None
) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", "kept")
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "words.yaml").write_text(SWEEP)
    (tmp_path / "words.txt").write_text(" ".join(f"word{n}" for n in range(400)))
    done = rote(tmp_path, "sweep", "words")
    assert done.returncode == 0, done.stdout + done.stderr
    (corpus,) = (tmp_path / "kept" / "corpora").glob("text-*")
    records = [json.loads(path.read_text()) for path in tmp_path.glob("kept/runs/*/record.json")]
    assert len(records) == 4
    assert {record["what"]["task"]["corpus"] for record in records} == {corpus.name}
    assert not (tmp_path / "outputs").exists()
