"""The same table and the same curves from wandb as from disk, killed runs included."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.conftest import Refused
from tests.tracking.conftest import QUESTION, Rote, Swept
from tests.tracking.wandb_server import Server

from rote.analysis.comparison import COMPARED
from rote.analysis.metrics import METRICS
from rote.ledger.record import DamagedRecord
from rote.site.site import build_site
from rote.tracking.curves import as_on_disk, curve_summary, merged
from rote.tracking.mirror import RECORD, finished_of, summary_of
from rote.tracking.offline import logs, read_log
from rote.tracking.reading import read_back
from rote.tracking.workspaces import wandb_column


def collected(rote: Rote, swept: Swept, *words: str) -> list[pl.DataFrame]:
    said = rote("collect", "tiny", *words)
    assert said.returncode == 0, said.stderr
    folder = swept.outputs / "sweeps" / "tiny"
    return [pl.read_parquet(folder / name) for name in ("table.parquet", "curves.parquet")]


def test_the_killed_run_has_two_logs_of_one_id_that_repeat_no_step(swept: Swept) -> None:
    first, second = map(read_log, logs(swept.store.run(swept.killed).path))
    assert first.run_id == second.run_id == swept.killed
    assert (first.exit_code, second.exit_code) == (None, 0)
    assert first.started_unix_seconds < second.started_unix_seconds
    steps = [row["step"] for log in (first, second) for row in log.rows]
    assert steps == [10, 20, 30]


def test_tables_and_curves_from_offline_logs_equal_those_from_disk(
    swept: Swept, rote: Rote
) -> None:
    from_disk = collected(rote, swept)
    from_logs = collected(rote, swept, "--from", f"wandb-offline:{swept.outputs}")
    for expected, found in zip(from_disk, from_logs, strict=True):
        assert expected.height in (3, 9)
        assert_frame_equal(found, expected, check_exact=True)


def test_records_circumstances_and_curves_come_back_one_by_one(swept: Swept) -> None:
    runs = read_back(f"wandb-offline:{swept.outputs}", "tiny", None)
    assert {run.record.run_id for run in runs} == set(swept.plan.run_ids)
    for run in runs:
        folder = swept.store.run(run.record.run_id)
        assert run.record == folder.record()
        assert run.circumstances == folder.circumstances()
        on_disk = folder.curve()
        assert run.curve == on_disk
        assert [list(map(type, row.values())) for row in run.curve] == [
            [type(row[name]) for name in back] for row, back in zip(on_disk, run.curve, strict=True)
        ]


def test_elsewhere_a_sweep_is_known_by_its_group(
    swept: Swept, rote: Rote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (expected, _) = collected(rote, swept)
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    said = rote("collect", "tiny", "--from", f"wandb-offline:{swept.outputs}")
    assert said.returncode == 0
    assert "3 runs" in said.stdout
    found = pl.read_parquet(tmp_path / "sweeps" / "tiny" / "table.parquet")
    assert_frame_equal(found, expected, check_exact=True)


def test_tables_and_curves_from_a_server_equal_those_from_disk(
    swept: Swept, rote: Rote, fresh_rote: Rote, server: Server
) -> None:
    from_disk = collected(rote, swept)
    assert rote("sync", "tiny").returncode == 0
    from_server = collected(fresh_rote, swept, "--from", "wandb:me/rote")
    for expected, found in zip(from_disk, from_server, strict=True):
        assert_frame_equal(found, expected, check_exact=True)
    assert "SampledHistoryPage" not in server.operations
    run = server.runs[swept.killed]
    assert (run.group, run.job_type, run.notes) == ("tiny", "train", QUESTION)
    assert run.exit_code == 0
    bits = [row["memorised_bits"] for row in swept.store.run(swept.killed).curve()]
    shown = json.loads(run.summary)
    assert shown["memorised_bits"] == {"max": max(bits), "last": bits[-1]}
    assert server.runs[swept.killed].display_name.startswith("gpt demo_s N=4 fp32")
    assert shown["bits_per_parameter"]["last"] == bits[-1] / 2196
    assert shown["cost"]["train_tokens"] == 32


def test_a_run_that_has_not_ended_is_left_out(swept: Swept, tmp_path: Path) -> None:
    first, _ = logs(swept.store.run(swept.killed).path)
    shutil.copytree(first.parent, tmp_path / "wandb" / first.parent.name)
    assert read_back(f"wandb-offline:{tmp_path}", "tiny", None) == []


def test_a_changed_record_is_refused(swept: Swept) -> None:
    folder = swept.store.run(swept.killed)
    summary = summary_of(folder.record(), folder.circumstances())
    found = finished_of(summary)
    assert found is not None
    assert found.record == folder.record()
    summary[RECORD] = summary[RECORD].replace('"parameters": 2196', '"parameters": 2197')
    with pytest.raises(DamagedRecord, match="checksum"):
        finished_of(summary)


def test_rows_lose_what_wandb_adds_and_nothing_else() -> None:
    nan, infinity = float("nan"), float("inf")
    logged = {
        "_step": 10, "_runtime": 0.1, "step": 10, "tokens": 320, "epochs": 2.5, "loss": 2,
        "learning_rate": 1e-300, "a": infinity, "b": nan,
    }  # fmt: skip
    row = as_on_disk(logged)
    assert list(row) == ["step", "tokens", "a", "b", "learning_rate", "loss"]
    assert (row["loss"], type(row["loss"]), type(row["step"])) == (2.0, float, int)
    assert row["a"] == infinity
    assert row["b"] != row["b"]
    assert row["learning_rate"] == 1e-300


def test_lives_are_merged_by_step_and_the_later_counts() -> None:
    rows = [{"step": 10, "a": 1.0}, {"step": 20, "a": 2.0}, {"step": 20, "a": 3.0}, {"_step": 30}]
    assert merged(rows) == [{"step": 10, "a": 1.0}, {"step": 20, "a": 3.0}]


def test_a_summary_tells_best_and_last_of_all_lives() -> None:
    rows = [
        {"step": 1, "loss_nats_per_token": 1.0, "memorised_bits": 9.0},
        {"step": 2, "loss_nats_per_token": 2.0, "memorised_bits": 8.0},
    ]
    assert curve_summary(rows) == {
        "loss_nats_per_token": {"min": 1.0, "last": 2.0},
        "memorised_bits": {"max": 9.0, "last": 8.0},
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("elsewhere:x", "--from must be wandb:ENTITY/PROJECT or wandb-offline:FOLDER"),
        ("wandb:project", "--from must be wandb:ENTITY/PROJECT"),
        ("wandb-offline:/nowhere", "/nowhere is not a folder"),
    ],
)
def test_a_source_that_is_none_is_refused(
    at_swept: Swept, refused: Refused, source: str, message: str
) -> None:
    assert message in refused("collect", "tiny", "--from", source)


def test_one_entry_of_the_registry_is_seen_in_table_site_comparison_and_wandb(
    swept: Swept, rote: Rote, tmp_path: Path
) -> None:
    name = "memorised_bits_per_sequence"
    (table, _) = collected(rote, swept)
    run_id = swept.plan.run_ids[-1]
    record = swept.store.run(run_id).record()
    bits = record.entropy_bits - record.measures["cost"]["train_code_bits"]
    expected = pytest.approx(bits / 12)
    assert table.filter(run_id=run_id)[name].item() == expected
    (log,) = map(read_log, logs(swept.store.run(run_id).path))
    assert log.summary["derived"][name] == expected
    assert name in COMPARED
    assert wandb_column(name) == f"summary:derived.{name}"
    outputs = tmp_path / "outputs"
    shutil.copytree(swept.outputs, outputs, ignore=shutil.ignore_patterns("latest-run"))
    text = (build_site(outputs).index.parent / "data/sweeps/tiny.js").read_text()
    data = json.loads(json.loads(text[text.index(", ") + 2 : text.rindex(")")]))
    (column,) = [each for each in data["columns"] if each["key"] == name]
    assert column["values"][-1] == pytest.approx(bits / 12, rel=1e-6)
    metric = METRICS[name]
    assert (column["title"], column["unit"], column["form"]) == (
        metric.title, metric.unit, metric.form,
    )  # fmt: skip
