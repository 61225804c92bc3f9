"""The site as files: all is there, what is unchanged is not touched, damage stops nothing."""

import html
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from tests.site.conftest import NUM_RUNS, SCRIPT
from tests.site.planted import CIRCUMSTANCES, plant, record_of

from rote.analysis.metrics import METRICS
from rote.analysis.overviews import OVERVIEWS
from rote.cluster.plan import Plan, Point
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.site.catalogue import SINGLE, Catalogue
from rote.site.site import build_site


def taken(path: Path) -> dict:
    """What a data file hands over."""
    name, text = re.fullmatch(r"rote\.take\((\".*?\"), (\".*\")\);\n", path.read_text()).groups()
    assert json.loads(name) in str(path)
    return json.loads(json.loads(text))


def times(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def own(outputs: Path, tmp_path: Path) -> Path:
    """A copy that a test may change, with its site."""
    folder = tmp_path / "outputs"
    shutil.copytree(outputs, folder, ignore=shutil.ignore_patterns("site"))
    build_site(folder)
    return folder


def test_every_run_is_in_its_sweeps_table_and_in_its_chunk(site: Path, outputs: Path) -> None:
    data = taken(site.parent / "data/sweeps/many.js")
    assert len(data["ids"]) == NUM_RUNS
    chunks = {run_id[:2] for run_id in data["ids"]}
    runs = {key: run for chunk in chunks
            for key, run in taken(site.parent / f"data/runs/{chunk}.js").items()}  # fmt: skip
    assert all(runs[run_id]["sweeps"][0] == "many" for run_id in data["ids"])
    columns = {column["key"]: column for column in data["columns"]}
    record = Store(outputs).run(data["ids"][0]).record()
    bits = record.entropy_bits - record.measures["cost"]["train_code_bits"]
    expected = bits / record.parameters
    assert columns["bits_per_parameter"]["values"][0] == pytest.approx(expected, rel=1e-6)
    assert columns["precision.name"]["words"] == ["fp32", "bf16_mixed", "tf32"]
    assert data["shared"]["task.length"] == 8
    assert not set(data["shared"]) & set(columns)


def test_failures_and_damage_are_told_not_hidden(site: Path) -> None:
    data = taken(site.parent / "data/sweeps/many.js")
    state = next(column for column in data["columns"] if column["key"] == "state")
    said = [state["words"][code] for code in state["codes"][-2:]]
    assert said == ["failed", "damaged"]
    sizes = next(column for column in data["columns"] if column["key"] == "parameters")
    assert None not in sizes["values"]
    assert "is not what the run wrote" in data["notes"][0]
    failed, damaged = (
        taken(site.parent / f"data/runs/{run_id[:2]}.js")[run_id] for run_id in data["ids"][-2:]
    )
    assert failed["failure"]["details"] == f"Traceback {SCRIPT}"
    assert (damaged["state"], damaged["record"]) == ("damaged", None)


def test_a_curve_is_thinned_to_what_a_screen_shows_and_keeps_its_ends(
    tmp_path: Path, base: Spec
) -> None:
    plan = plant(tmp_path, base, name="one", num_runs=1)
    run = Store(tmp_path).run(plan.run_ids[0])
    run.record_path.unlink()  # it trains
    for step in range(1001, 2500):
        run.append({"step": step, "loss_nats_per_token": 0.693147180559945})
    with run.curve_path.open("a") as stream:
        stream.write('{"step": 99')
    site = build_site(tmp_path).index.parent
    curve = taken(site / f"data/runs/{run.run_id[:2]}.js")[run.run_id]["curve"]
    assert (curve["step"][0], curve["step"][-1]) == (10, 2499)
    assert len(curve["step"]) <= 201
    assert curve["loss_bits_per_token"][-1] == 1


def test_a_report_leads_to_its_runs_and_its_main_figure_stands_on_the_index(
    site: Path, outputs: Path
) -> None:
    run_id = taken(site.parent / "data/sweeps/many.js")["ids"][0]
    page = (site.parent / "reports/many.html").read_text()
    assert f'<a href="../run.html#{run_id}"><code>{run_id}</code></a>' in page
    assert '<a href="../sweeps/many.html">Runs of many</a>' in page
    assert '<a href="many/main.png" download>' in page
    figure = site.parent / "reports/many/main.png"
    assert figure.read_bytes() == (outputs / "reports/many/main.png").read_bytes()
    index = site.read_text()
    assert '<img src="reports/many/main.png" alt="Main figure of many"' in index
    assert "<summary>1 more</summary>" in index
    sweep = (site.parent / "sweeps/many.html").read_text()
    assert '<img src="../reports/many/main.png"' in sweep


def test_the_sweep_that_changed_last_stands_first(own: Path) -> None:
    for name in listed(own):
        for path in (*own.glob("sweeps/*/plan.json"), *own.glob("runs/*/record.json")):
            os.utime(path, (1e6, 1e6))
        (own / "sweeps" / name / "plan.json").touch()
        build_site(own)
        assert listed(own)[0] == name


def listed(outputs: Path) -> list[str]:
    """Sweeps in the order of the index."""
    page = (outputs / "site" / "index.html").read_text()
    return [html.unescape(name) for name in re.findall(r'class="card" data-name="([^"]*)"', page)]


def test_pages_lead_to_the_docs_where_these_are_built(own: Path) -> None:
    link = '<a href="../docs/index.html">Docs</a>'
    assert link not in (own / "site/index.html").read_text()
    (own / "docs").mkdir()
    (own / "docs/index.html").write_text("<!doctype html>")
    build_site(own)
    assert link in (own / "site/index.html").read_text()


def test_a_column_has_title_unit_and_form_of_the_registry_and_axes_are_those_of_the_kind(
    site: Path,
) -> None:
    data = taken(site.parent / "data/sweeps/many.js")
    columns = {column["key"]: column for column in data["columns"]}
    for key in ("memorised_bits", "heldout_bits_per_token", "precision.name", "size.width"):
        metric = METRICS[key]
        found = columns[key]["title"], columns[key]["unit"], columns[key]["form"]
        assert found == (metric.title, metric.unit, metric.form)
    assert data["axes"] == [list(pair) for pair in OVERVIEWS["capacity"].axes]
    assert columns["training.converged"]["words"] == ["no", "yes"]
    assert columns["name"]["words"][0] == "gpt 1x16 N=16 fp32"


def test_two_settings_of_one_title_are_told_apart(tmp_path: Path, base: Spec) -> None:
    points = []
    for seed in (0, 1):
        what = {**base.what, "seed": seed, "task": {**base.what["task"], "split": {"seed": seed}}}
        spec = Spec(what=what, how=base.how)
        points.append(Point(run_id=spec.run_id, spec=spec, parameters=1, max_flops=1.0))
    plan = Plan(name="splits", question="Why?", report="capacity", points=tuple(points))
    plan.save(tmp_path)
    data = taken(build_site(tmp_path).index.parent / "data/sweeps/splits.js")
    seeds = {each["key"]: each["title"] for each in data["columns"] if each.get("seed")}
    assert seeds == {"seed": "seed", "task.split.seed": "split.seed"}


def test_parameters_of_a_run_of_no_sweep_are_known_once_it_ends(tmp_path: Path, base: Spec) -> None:
    run, record, catalogue = (
        Store(tmp_path).run(base.run_id),
        record_of(base, 0),
        Catalogue(tmp_path),
    )
    run.begin(base)
    assert [point.parameters for point in catalogue.plans()[SINGLE].points] == [0]
    assert catalogue.plans()[SINGLE] is catalogue.plans()[SINGLE]
    run.finish(record, {}, CIRCUMSTANCES)
    assert [point.parameters for point in catalogue.plans()[SINGLE].points] == [record.parameters]


def test_a_comparison_is_listed_with_what_it_found(site: Path) -> None:
    copied = (site.parent / "comparisons/many-other.html").read_text()
    assert copied == "<!doctype html><title>the comparison</title>"
    index, sweep = site.read_text(), (site.parent / "sweeps/many.html").read_text()
    assert '<a href="comparisons/many-other.html">many against other</a>' in index
    assert "fp32 against tf32: equal" in index
    assert '<a href="../comparisons/many-other.html">other</a>' in sweep


@pytest.mark.parametrize(
    ("folder", "heading", "found"),
    [
        ("fits", "Laws", "size: L = E + A / N^alpha"),
        ("plans", "Plans", "For 1e+21 FLOPs: 2.78B parameters"),
        ("audits", "Audits", "membership: leaks"),
        ("reports", "Further reports", "of another kind"),
    ],
)
def test_what_other_commands_left_is_listed_and_leads_back(
    site: Path, folder: str, heading: str, found: str
) -> None:
    index = site.read_text()
    assert f"<h2>{heading}</h2>" in index
    assert f'<a href="{folder}/many-text.html">many-text</a></h3>' in index
    assert f"<li>{found}</li>" in index
    page = (site.parent / folder / "many-text.html").read_text()
    assert f'<a href="../index.html">All sweeps</a></nav>one of {folder}' in page


def test_the_scorecard_of_published_claims_is_listed_with_its_counts(own: Path) -> None:
    (own / "claims").mkdir()
    (own / "claims/claims.html").write_text("<!doctype html><title>claims</title>")
    (own / "claims/claims.json").write_text('{"summary": {"holds": 2, "not decided": 1}}')
    build_site(own)
    index = (own / "site/index.html").read_text()
    assert "<h2>Published claims</h2>" in index
    assert '<a href="claims/claims.html">claims</a></h3>' in index
    assert "<li>holds: 2</li>" in index and "<li>not decided: 1</li>" in index
    assert (own / "site/claims/claims.html").is_file()


def test_what_has_not_changed_is_not_touched(own: Path) -> None:
    before = times(own / "site")
    again = build_site(own)
    assert (again.num_written, times(own / "site")) == (0, before)


def test_a_new_record_changes_its_table_its_chunk_and_the_pages_that_count(own: Path) -> None:
    before = times(own / "site")
    store = Store(own)
    run_id = taken(own / "site/data/sweeps/many.js")["ids"][-2]
    run = store.run(run_id)
    spec = run.spec()
    run.failure_path.unlink()
    run.finish(record_of(spec, 0), {}, {**store.run(run_id).circumstances(), "device": "cuda"})
    build_site(own)
    after = times(own / "site")
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {
        "index.html", "sweeps/many.html", "data/sweeps/many.js", f"data/runs/{run_id[:2]}.js",
        "made.json",
    }  # fmt: skip


def test_what_is_gone_leaves_the_site(own: Path) -> None:
    name = next(path.name for path in (own / "sweeps").iterdir() if path.name != "many")
    shutil.rmtree(own / "sweeps" / name)
    shutil.rmtree(own / "reports")
    build_site(own)
    left = times(own / "site")
    assert f"sweeps/{name}.html" not in left
    assert "reports/many.html" not in left
    # Its runs are still there: runs of no sweep have a page of their own.
    assert len(taken(own / "site/data/sweeps/single-runs.js")["ids"]) == 6


def test_a_damaged_plan_is_named_and_the_others_are_shown(own: Path) -> None:
    (own / "sweeps/many/plan.json").write_text("{")
    built = build_site(own)
    assert built.damaged[0].startswith(str(own / "sweeps/many/plan.json"))
    assert "plan.json is damaged" in built.index.read_text()


def test_records_of_different_kinds_are_still_shown(tmp_path: Path, base: Spec) -> None:
    plan = plant(tmp_path, base, name="mixed", num_runs=3)
    path = Store(tmp_path).run(plan.run_ids[0]).path / "circumstances.json"
    path.write_text('{"host": "of long ago"}')
    site = build_site(tmp_path).index.parent
    data = taken(site / "data/sweeps/mixed.js")
    assert len(data["notes"]) == 1
    assert "circumstances.json is damaged: it is not what the run wrote" in data["notes"][0]
    assert "seed" in {column["key"] for column in data["columns"]}
    run_id = plan.run_ids[0]
    run = taken(site / f"data/runs/{run_id[:2]}.js")[run_id]
    assert (run["state"], run["circumstances"], run["cards"]) == ("damaged", None, [])


def test_names_and_questions_are_text_in_every_page(site: Path) -> None:
    pages = list(site.parent.rglob("*.html"))
    assert len(pages) == 10
    for page in pages:
        assert "<script>" not in page.read_text()
        assert "<img src=x" not in page.read_text()
    assert "fp32: 3.00 bits per parameter" in site.read_text()
