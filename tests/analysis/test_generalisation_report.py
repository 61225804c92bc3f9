"""What is planted in exact matches comes out in the report's shares, verdicts and words."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from rote.analysis.published import published_match
from rote.analysis.reports.generalisation.report import make
from rote.analysis.reports.generalisation.study import Series, Study, study
from rote.analysis.reports.generalisation.wording import FAILS, HOLDS, OPEN, claims
from rote.analysis.results import Results
from tests.analysis import planted_matches as planted
from tests.analysis import shown

ARITHMETIC = Series(trained_on="arithmetic", subject="arithmetic", split="randomly", setting="")
FACTS = Series(trained_on="facts", subject="facts", split="", setting="")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return planted.planted_results(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def found(results: Results) -> Study:
    return study(results)


def test_shares_and_their_difference_are_over_splits(found: Study) -> None:
    small, large = found.of(ARITHMETIC, "heldout")
    assert (small.size, large.size) == ("1x14", "1x56")
    assert small.free.value == pytest.approx(0.8) and large.free.value == pytest.approx(0.2)
    assert (small.free.num_splits, small.free.n) == (6, 12)
    assert small.pooled.trials == 12 * 20
    assert small.free.interval[0] < 0.8 < small.free.interval[1] < 0.9
    both = next(e for e in found.compared if (e.series, e.side) == (ARITHMETIC, "heldout"))
    assert both.apart is not None and both.apart.n == 12
    assert both.apart.value == pytest.approx(-0.6) and both.apart.interval[1] < -0.4
    groups = {each.group for each in found.points if each.series == ARITHMETIC}
    assert groups == {"add", "subtract", "all"}
    assert sum(rate.successes for rate in small.by_split.values()) == small.pooled.successes


def test_parts_of_a_mixture_are_told_apart(found: Study) -> None:
    joint = [each for each in found.series if each.trained_on == "joint"]
    assert [each.subject for each in joint] == ["arithmetic", "facts"]
    assert joint[0].name == "arithmetic, trained jointly, random splits"
    heldout = found.of(joint[0], "heldout")
    assert [each.free.value for each in heldout] == [0.05, 0.05]


def test_verdicts_follow_from_the_intervals(found: Study) -> None:
    told = {(each.series.name, each.conclusion): each for each in claims(found)}
    small, less = (
        "a small model extrapolates to unseen arithmetic",
        "a larger model extrapolates less",
    )
    forgets = "a small model fails to memorise facts that a larger one memorises"
    none = "trained on both, no model extrapolates"
    assert {key: each.verdict for key, each in told.items() if "original" not in key[0]} == {
        ("arithmetic, random splits", small): HOLDS,
        ("arithmetic, random splits", less): HOLDS,
        ("arithmetic, trained jointly, random splits", none): HOLDS,
        ("facts", forgets): HOLDS,
        ("facts, trained jointly, random splits", forgets): OPEN,  # both sizes know all of them
    }
    assert told["arithmetic, original split", less].verdict == HOLDS
    assert len(told) == 7


def test_sizes_exchanged_exchange_the_verdicts(results: Results) -> None:
    table = results.table.with_columns(
        pl.col("size.width").replace({14: 56, 56: 14}),
        pl.col("parameters").replace({1582: 20_440, 20_440: 1582}),
    )
    told = claims(study(replace(results, table=table)))
    random = [each for each in told if each.series == ARITHMETIC]
    assert [each.verdict for each in random] == [FAILS, FAILS]


def test_knowledge_is_what_was_planted(found: Study) -> None:
    small, *_, large = found.knowledge.to_dicts()
    assert small["knowledge_bits"] == 0
    assert large["given_bits"] == 20 * 8 and large["knowledge_bits"] == 10 * (2 + 6)
    assert large["knowledge_bits_per_parameter"] == pytest.approx(80 / 20_440)
    recalls = {(each["size"], each["exposures"]): each for each in found.recalls}
    often, once, never = (recalls["1x56", exposures] for exposures in (4, 1, 0))
    assert often["recalled"].value == 1 and once["recalled"].value == 0
    assert often["stored_bits"] == 6 and never["stored_bits"] == -1
    assert never["recalled"].trials == 2 * 10  # seeds added up


def test_the_report_is_written_whole(results: Results, tmp_path: Path) -> None:
    report, page, manifest = shown.written("generalisation", results, tmp_path)
    assert page.count("<svg ") == len(manifest["figures"]) == 2
    assert "40 of 40 held-out" in page and "8.2 %" in page
    shared = manifest["numbers"]["share arithmetic, random splits, 1x14, heldout"]
    assert shared["free_running"] == pytest.approx(0.8)
    assert sorted(shared["runs"]) == sorted(
        run_id for run_id in results.table["run_id"] if run_id.startswith("random-14")
    )
    assert set(manifest["arrays_sha256"]) == {
        run_id for run_id in results.table["run_id"] if run_id.startswith("people")
    }
    assert any("the larger one less (-60%" in line for line in report.headlines)


def test_settings_that_differ_are_series_of_their_own(results: Results) -> None:
    table = results.table.with_columns(pl.lit(0.01).alias("optim.optimiser.lr"))
    other = table.with_columns(
        pl.lit(0.001).alias("optim.optimiser.lr"), run_id="slow-" + pl.col("run_id")
    ).filter(pl.col("task._target_").str.ends_with("Arithmetic"))
    found = study(replace(results, table=pl.concat([table, other])))
    settings = {each.setting for each in found.series if each.trained_on == "arithmetic"}
    assert settings == {"lr 0.01", "lr 0.001"}


def test_nothing_is_claimed_of_runs_at_chance_or_alone(results: Results) -> None:
    right = [name for name in results.table.columns if "_right_" in name]
    ignorant = replace(results, table=results.table.with_columns(pl.col(right) * 0))
    content = make(ignorant)
    assert all(each.verdict != HOLDS for each in claims(study(ignorant))
               if each.conclusion.startswith("a "))  # fmt: skip
    assert "not decided" in shown.lead(content).title
    assert {card.value for card in content.cards} == {"not decided"}
    assert sum("not decided (" in line for line in content.headlines) == 3
    alone = (pl.col("size.width") == 14) & (pl.col("seed") == 0)
    table = results.table.filter(alone, ~pl.col("run_id").str.starts_with("random"))
    content = make(replace(results, table=table))
    assert list(shown.titles(content).values()) == [
        "Exact answers, seen and held out", "No run knows the values better than a guess",
    ]  # fmt: skip
    assert not content.cards
    assert "1x14: no knowledge stored (0 bits, 0.00 per parameter)" in content.headlines
    assert content.setting.endswith("1 seed of runs.")


def test_unusable_runs_are_refused(results: Results) -> None:
    with pytest.raises(ValueError, match="add exact_match to measure"):
        study(replace(results, table=results.table.select("run_id", "seed")))


def test_the_published_table() -> None:
    assert published_match("arithmetic", 1, 14) == ("n14", "40 of 40 held-out")
    assert published_match("joint", 6, 384) == ("10.6M", "97.8 / 97.8 / 100 %")
    assert published_match("facts", 2, 14) is None
