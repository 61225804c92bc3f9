"""A report as one run: table, figures, page, numbers; logging it twice makes one run."""

import json

import polars as pl
from tests.tracking.conftest import QUESTION, Rote, Swept

from rote.cli.wandb import account_of
from rote.tracking.offline import logs, read_log
from rote.tracking.report_run import log_report, report_run_id


def test_a_report_is_logged_once_beside_its_runs(copied: Swept, rote: Rote) -> None:
    said = rote("report", "tiny", "--wandb")
    assert said.returncode == 0, said.stderr
    folder = copied.outputs / "reports" / "tiny"
    manifest = json.loads((folder / "manifest.json").read_text())
    run_id = report_run_id("tiny", manifest["records_sha256"])
    assert f"wandb: run {run_id} in project rote (offline)" in said.stdout
    assert log_report(folder, account_of(copied.plan)) == run_id
    (log,) = map(read_log, logs(folder))
    assert (log.run_id, log.group, log.job_type, log.project) == (run_id, "tiny", "report", "rote")
    assert log.exit_code == 0
    (row,) = log.rows
    files = log.path.parent / "files"
    assert manifest["figures"]
    for name in manifest["figures"]:
        image = (files / row[f"figures/{name}.path"]).read_bytes()
        assert image == (folder / f"{name}.png").read_bytes()
    page = (files / row["page.path"]).read_text()
    assert QUESTION in page
    table = pl.read_parquet(folder / "table.parquet")
    logged = json.loads((files / row["runs.path"]).read_text())
    assert logged["columns"] == table.columns
    assert [line[0] for line in logged["data"]] == list(table["run_id"])
    shown = json.loads(rote("dashboard", "tiny").stdout)
    for name in manifest["figures"]:
        assert f'"figures/{name}"' in json.dumps(shown)
    alpha = manifest["numbers"]["alpha fp32"]["bits_per_parameter"]
    assert log.summary["alpha fp32"]["bits_per_parameter"] == alpha


def test_the_id_follows_the_records() -> None:
    assert report_run_id("a", {"x": "1", "y": "2"}) == report_run_id("a", {"y": "2", "x": "1"})
    assert report_run_id("a", {"x": "1"}) != report_run_id("a", {"x": "2"})
    assert report_run_id("a", {"x": "1"}) != report_run_id("b", {"x": "1"})
    assert len(report_run_id("a", {})) == 16
