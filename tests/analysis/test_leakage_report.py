"""The law, exposures, extraction and differences planted in runs come out of the report."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from rote.analysis.fits.membership_law import (
    LawReading,
    MembershipCurve,
    MembershipLaw,
)
from rote.analysis.fits.search import NoFit
from rote.analysis.page import Block, Content, Text
from rote.analysis.plot import Plot
from rote.analysis.quantities.leakage import quick_leakage
from rote.analysis.quantities.membership import TooFewControls
from rote.analysis.quantities.shadows import groups
from rote.analysis.reports.leakage import captions, report, wording
from rote.analysis.reports.leakage.law import check_line, crossing
from rote.analysis.reports.leakage.plots import shadows_plot
from rote.analysis.reports.leakage.study import Study, study
from rote.analysis.results import Results
from tests.analysis import planted_leakage as planted


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return planted.canary_results(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def found(results: Results) -> Study:
    return study(results)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(planted.text_results(tmp_path_factory.mktemp("texts")))


def only(results: Results, keep: pl.Expr) -> Results:
    return dataclasses.replace(results, table=results.table.filter(keep))


def without(results: Results, *beginnings: str) -> Results:
    table = results.table
    names = [name for name in table.columns if name.startswith(beginnings)]
    return dataclasses.replace(results, table=table.drop(names))


def with_arrays(results: Results, changed: dict[str, np.ndarray]) -> Results:
    """The same arrays, but for these, in all runs."""
    for run_id in results.table["run_id"]:
        path = results.folders[run_id].path / "arrays.npz"
        np.savez(path, **{**np.load(path), **changed})
    return results


def blocks(content: Content) -> list[Block]:
    lead = [content.lead] if content.lead else []
    return [*lead, *(block for section in content.sections for block in section.blocks)]


def plots(content: Content) -> dict[str, str]:
    """Title of each figure."""
    return {each.name: each.title for each in blocks(content) if isinstance(each, Plot)}


def sentences(content: Content) -> str:
    texts = [each.words for each in blocks(content) if isinstance(each, Text)]
    return "\n".join([*content.headlines, *plots(content).values(), *texts])


def test_the_planted_law_is_found(found: Study) -> None:
    by_parameters, by_capacity = found.laws
    law = by_parameters.law
    assert isinstance(law, MembershipLaw)
    for name in ("height", "slope", "offset"):
        fitted, error = getattr(law.curve, name), getattr(law, f"{name}_error")
        assert abs(fitted - getattr(planted.LAW, name)) < 4 * error
    halfway, published = crossing(law.curve), crossing(planted.LAW)
    assert halfway == pytest.approx(published, rel=0.1)
    assert by_parameters.runs.height == found.runs.height == len(planted.WIDTHS) * 3 * 2
    assert max(map(abs, law.residuals)) < 0.05
    # |D| counts canaries: 640 windows and 84 insertions for 1,000 parameters.
    assert by_parameters.ratios[1] == pytest.approx((640 + planted.NUM_INSERTED) / 1000)
    assert by_capacity.ratios[1] == pytest.approx(16_000 * planted.ALPHA / 124)


def test_both_readings_fall_to_one_half_beside_published_points(found: Study) -> None:
    for fitted in found.laws:
        assert check_line(fitted).endswith(" and never rises on the way: as it must.")
        assert isinstance(fitted.law, MembershipLaw) and fitted.law.curve.limit <= 0.51
        assert {each.observed.parameters for each in fitted.forecasts} == {
            1_556_075_200, 123_702_528,
        }  # fmt: skip
        for each in fitted.forecasts:
            assert each.published_f1 == pytest.approx(each.observed.target_f1, abs=0.01)
    # The planted law is the published one: it says the same of the published models.
    for each in found.laws[0].forecasts:
        assert each.fitted_f1.value == pytest.approx(each.published_f1, abs=0.03)
        assert not each.is_beyond  # 0.0078 to 0.72 holds 0.0121 to 0.11
    rising = MembershipCurve(
        reading=LawReading.SAMPLES_PER_PARAMETER, height=1.0, slope=1.0, offset=-3.0
    )
    wrong = dataclasses.replace(fitted, law=dataclasses.replace(fitted.law, curve=rising))
    assert check_line(wrong).endswith(" and rises on the way: this is no membership law.")
    never_high = dataclasses.replace(rising, height=0.4, slope=-1.0, offset=0.0)
    assert crossing(never_high) is None


def test_f1_of_each_run_is_what_was_planted(found: Study) -> None:
    for run in found.runs.iter_rows(named=True):
        truth = planted.planted_f1(run["parameters"], run["task.num_sequences"])
        assert run["f1"] == pytest.approx(truth, abs=0.06)
        assert run["f1_low"] - 0.02 <= truth <= run["f1_high"] + 0.02
        assert run["balanced_accuracy"] == pytest.approx(truth, abs=0.06)  # of equal normals
        assert run["largest_f1"] > max(0.6, run["f1"] - 0.03)


def test_exposure_is_the_planted_rank(found: Study) -> None:
    index_of = {series: index for index, series in enumerate(found.series)}
    inserted = [each for each in found.planted if each["repeats"]]
    assert len(inserted) == 3 * 3 * len(planted.REPEATS)
    for each in inserted:
        rank = planted.planted_rank(index_of[each["series"]], each["repeats"])
        assert each["exposure"].value == pytest.approx(4 - np.log2(rank))
        assert each["most_bits"] == each["secret_bits"] == 4
        assert each["exposure"].n == 2 * planted.NUM_EACH  # of two seeds
        assert each["extracted"].value == (rank == 1)
    assert all(each["chance"].holds for each in found.controls)
    assert found.controls[0]["chance"].num_controls == 2 * planted.NUM_CONTROLS


def test_windows_are_told_from_canaries_and_from_guesses(found: Study) -> None:
    shares = {each["series"]: each["extraction"] for each in found.windows}
    for index, series in enumerate(found.series):
        both = shares[series]
        assert both.train.value == pytest.approx((index + 1) / 4)
        assert both.excess.value == pytest.approx((index + 1) / 4 - 0.1)
    largest = found.windows[-1]
    assert largest["extraction"].train.trials == 2 * largest["N"]


def test_differences_between_sizes_are_those_planted(found: Study) -> None:
    overall = {each["kind"].name: each for each in found.compared if each["N"] is None}
    assert overall["exposure_bits"]["apart"].value == pytest.approx(4 / 3)  # 2, 2 and 0 bits
    assert overall["canaries_extracted"]["apart"].value == pytest.approx(1 / 3)
    assert overall["windows_excess"]["apart"].value == pytest.approx(1 / 2)
    apart = [
        planted.planted_f1(16_000, size) - planted.planted_f1(1000, size) for size in planted.SIZES
    ]
    assert overall["f1"]["apart"].value == pytest.approx(np.mean(apart), abs=0.03)
    assert all(each["apart"].sign > 0 for each in overall.values())
    at_each = [each["N"] for each in found.compared if each["kind"].name == "f1"]
    assert at_each == [None, *planted.SIZES]
    # A canary that all N share is one thing: two seeds of twelve.
    low, high = overall["exposure_bits"]["apart"].interval
    deviation = np.std([2, 2, 0] * 8, ddof=1) / np.sqrt(24)
    assert (high - low) / 2 == pytest.approx(2.069 * deviation, rel=1e-3)


def test_leakage_goes_with_held_out_loss_where_size_moves_both(found: Study) -> None:
    windows = next(kind for kind in found.kinds if kind.name == "windows_excess")
    rho = found.with_loss(windows, at_equal_n=True)
    assert rho is not None and rho.value < -0.9 and rho.interval[1] < 0
    over_all = found.with_loss(windows, at_equal_n=False)
    assert over_all is not None and over_all.value > rho.value


def test_shadows_tell_more_than_the_loss(texts: Study) -> None:
    by_score = {each["score"]: each for each in texts.shadowed}
    loss = by_score["loss"]
    assert len(loss["qualities"]) == 4
    assert loss["members"] == 4 * planted.TRAINED
    assert loss["others"] == 4 * (planted.POOL - planted.TRAINED)
    for name in ("lira_online_fixed", "lira_offline_fixed", "rmia_online", "rmia_offline"):
        assert by_score[name]["auroc"].value > loss["auroc"].value + 0.2
    # Three shadows are never two with a sample and two without it.
    refused = by_score["lira_online"]
    assert refused["auroc"] is None and refused["reason"].startswith("0 members and 0 others")


def test_shadow_scores_are_drawn(texts: Study) -> None:
    """Of each score that could be computed, AUROC of the mean and of each of four targets."""
    plot = shadows_plot(texts)
    assert plot.title.startswith("With 3 shadow models: ") and "; loss 0." in plot.title
    _, singles, means = plot.layers
    num_scores = sum(row["auroc"] is not None for row in texts.shadowed)
    of_auroc = pl.col("panel") == "AUROC"
    assert means.frame.filter(of_auroc).height == num_scores
    assert singles.frame.filter(of_auroc).height == 4 * num_scores
    assert b"RMIA offline" in plot.draw().svg


def test_the_oracle_makes_a_score_and_its_arrays_are_named(texts: Study) -> None:
    scores = {each["score"]: each for each in texts.scored}
    assert scores["reference"]["auroc"].value > scores["loss"]["auroc"].value + 0.2
    assert isinstance(scores["loss"]["found"][1], TooFewControls)
    assert texts.runs["oracle_id"].unique().to_list() == ["reference-0"]
    assert "reference-0" not in texts.runs["run_id"]
    assert isinstance(texts.laws[0].law, NoFit)


def test_the_report_states_what_was_planted(
    results: Results, found: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "study", lambda results: found)
    content = report.make(results)
    assert set(plots(content)) == {
        "membership_law", "scores", "exposure", "canaries_extracted", "windows_extracted", "risk",
        "sizes",
    }  # fmt: skip
    run_ids = set(results.table["run_id"])
    assert all(set(number["runs"]) <= run_ids for number in content.numbers.values())
    assert set(content.arrays_of) == run_ids
    assert content.table["exposure_bits"].null_count() == 0
    said = sentences(content)
    assert "2.00 bits per parameter (planted)" in said and captions.NO_SHADOWS in said
    lines = "\n".join(content.headlines)
    assert "exposed by 2.0 bits in 1x8 and 3.3 bits in 1x32, of 4.0 (a guess: 1.44)" in lines
    assert "Membership F1 at equal N: 0.5" in lines  # levels before the difference
    assert "12 of 18 runs converged" in lines
    assert "F1 tends to 0.500" in lines


def test_exposure_alone_is_a_report(tmp_path: Path) -> None:
    """Inserted canaries among references from a bell, controls among two heaps of them.

    No skew-normal is like two heaps: the mean by skew-normals is of the others alone.
    """
    whole = planted.canary_results(tmp_path, seeds=(0,), sizes=(40,))
    smallest = only(whole, pl.col("size.width") == 8)
    path = smallest.folders["8-40-0"].path / "arrays.npz"
    arrays = {
        name: values
        for name, values in np.load(path).items()
        if name.startswith("exposure.") and name != "exposure.is_extracted"
    }
    is_control = arrays["exposure.repeats"] == 0
    bell = norm.ppf((np.arange(300) + 0.5) / 300, 15, 2)
    heaps = np.repeat([10.0, 90.0], 150)
    arrays["exposure.num_references"] = np.full(len(is_control), 300)
    arrays["exposure.reference_code_bits"] = np.concatenate(
        [heaps if is_one else bell for is_one in is_control]
    )
    np.savez(path, **arrays)
    alone = without(smallest, "cost.", "membership.", "extraction.")
    content = report.make(alone)
    assert list(plots(content)) == ["exposure"] and isinstance(content.lead, Plot)
    said = sentences(content)
    for sentence in (
        captions.NO_MEMBERSHIP, captions.NO_SHADOWS, captions.NO_CANARIES_TRIED,
        captions.NO_WINDOWS, captions.NO_LOSS, captions.ONE_SIZE,
    ):  # fmt: skip
        assert sentence in said
    assert f"warns of {is_control.sum()} of {len(is_control)} skew-normal fits" in said
    controls, *inserted = study(alone).planted
    assert controls["fitted"] is None
    for each in inserted:  # of 9 bits, three deviations below
        assert each["num_fitted"] == planted.NUM_EACH
        assert each["fitted"] == pytest.approx(-norm.logcdf(-3) / np.log(2), abs=0.5)


def test_membership_without_cost_has_no_law(tmp_path: Path) -> None:
    whole = planted.canary_results(tmp_path, seeds=(0,), sizes=(40,))
    content = report.make(without(whole, "cost.", "exposure.", "extraction."))
    assert list(plots(content)) == [
        "scores", "exposure", "canaries_extracted", "windows_extracted", "sizes",
    ]  # fmt: skip
    assert captions.NO_COST in sentences(content)


def test_the_planned_epsilon_stands_beside_what_the_scores_refute(tmp_path: Path) -> None:
    """One of two sizes has DP-SGD; its members score a planted shift above the others."""
    whole = planted.canary_results(tmp_path, seeds=(0,), sizes=(40,))
    is_private = pl.col("size.width") == 32
    table = whole.table.with_columns(
        pl.when(is_private).then(pl.lit("DPSGD")).alias("control.dp_sgd._target_"),
        pl.when(is_private).then(8.0).alias("control.dp_sgd.epsilon"),
        pl.when(is_private).then(1e-4).alias("control.dp_sgd.delta"),
    )
    content = report.make(dataclasses.replace(whole, table=table))
    (numbers,) = (number for name, number in content.numbers.items() if name.startswith("privacy"))
    assert numbers["runs"] == ["32-40-0"]
    assert (numbers["planned_epsilon"], numbers["delta"]) == (8.0, 1e-4)
    folder = whole.folders["32-40-0"].arrays()
    members, others = folder["membership.member_loss"], folder["membership.nonmember_loss"]
    assert 0 < numbers["mu"] < members.mean() - others.mean()
    assert captions.PRIVATE in sentences(content)
    assert captions.PRIVATE not in sentences(report.make(whole))


def test_nothing_is_claimed_of_models_that_leak_nothing(tmp_path: Path) -> None:
    """One seed, unconverged, every score noise, every canary at a guess's rank, no window told."""
    results = planted.canary_results(tmp_path, seeds=(0,))
    random = np.random.default_rng(0)
    sides = random.normal(size=(2, planted.NUM_JUDGED))
    repeats = np.load(results.folders["8-40-0"].path / "arrays.npz")["exposure.repeats"]
    quiet = {
        "membership.member_loss": sides[0],
        "membership.nonmember_loss": sides[1],
        "exposure.num_as_likely": np.arange(len(repeats)) % planted.NUM_SECRETS,
        "exposure.is_extracted": np.zeros(len(repeats), np.uint8),
        **{f"extraction.heldout_extracted_{prefix}": np.zeros(100, np.uint8) for prefix in (2, 4)},
        **{f"extraction.train_extracted_{prefix}": np.zeros(700, np.uint8) for prefix in (2, 4)},
    }
    table = results.table.with_columns(pl.lit(value=False).alias("training.converged"))
    content = report.make(dataclasses.replace(with_arrays(results, quiet), table=table))
    said, titles = sentences(content), plots(content)
    assert titles["membership_law"].startswith("F1 of the loss attack cannot be distinguished")
    assert titles["scores"].startswith("No score separates members from others beyond chance")
    assert "cannot be distinguished from a guess (1.44 bits)" in titles["exposure"]
    assert titles["canaries_extracted"].endswith("are never recited, in 108 trials")
    assert "do not exceed held-out ones beyond doubt" in titles["windows_extracted"]
    assert "no kind of leakage differs beyond doubt" in titles["sizes"]
    assert titles["risk"].startswith("No kind of leakage exceeds a guess beyond doubt")
    for claim in ("leaks more", "leaks less", "highest mean AUROC, ", "falls from"):
        assert claim not in said
    assert "9 of 9 runs had not converged" in said and "All runs have one seed" in said


def test_a_mean_without_interval_claims_nothing(found: Study) -> None:
    """Of two canaries: their mean exposure has no interval, however high it is."""
    bare = [
        {**row, "exposure": dataclasses.replace(row["exposure"], low=None, high=None)}
        for row in found.planted
    ]
    title = wording.exposure_title(dataclasses.replace(found, planted=bare))
    assert "cannot be distinguished from a guess" in title


def test_a_reference_score_alone_is_named_without_the_loss(texts: Study) -> None:
    """As of runs that measured no membership and have an oracle."""
    alone = [row for row in texts.scored if row["score"] == "reference"]
    title = wording.scores_title(dataclasses.replace(texts, scored=alone))
    assert title.startswith("Reference (oracle) has the highest mean AUROC") and "loss" not in title


def test_shadows_are_of_one_control_and_one_a_seed(tmp_path: Path) -> None:
    table = planted.text_results(tmp_path, seeds=(0, 1, 2, 3)).table
    seeds = [0, 1, 0, 1, 0]
    table = table.with_columns(
        pl.Series("seed", seeds),
        pl.Series("control.dp_sgd.epsilon", [None, None, 8.0, 8.0, None]),
    )
    assert groups(table) == [["train-0", "train-1"], ["train-2", "train-3"]]
    again = table.drop("control.dp_sgd.epsilon")
    assert groups(again) == [["train-0", "train-1"]]


def test_sizes_are_not_compared_where_more_than_size_differs(tmp_path: Path) -> None:
    whole = planted.canary_results(tmp_path, sizes=(40,))
    name = pl.when(pl.col("seed") == 0).then(pl.lit("fp32")).otherwise(pl.lit("tf32"))
    mixed = whole.table.with_columns(name.alias("precision.name"))
    found = study(dataclasses.replace(whole, table=mixed))
    assert len(found.series) == 6 and found.compared == []


def test_unusable_runs_are_refused(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no finished run to report on"):
        study(only(results, pl.lit(value=False)))
    with pytest.raises(ValueError, match="no run measured leakage: add membership, exposure"):
        study(without(results, "membership.", "exposure.", "extraction."))
    unsized = without(results, "task.base.num_sequences")
    with pytest.raises(ValueError, match=r"no run says task\.num_sequences"):
        study(unsized)
    assert quick_leakage(unsized) is None  # what needs leakage only where there is any goes on
    text = planted.text_results(tmp_path, seeds=(0,))
    with pytest.raises(ValueError, match="no finished run on the train pool"):
        study(only(text, pl.col("task.pool") == "reference"))
    path = text.folders["train-0"].path / "arrays.npz"
    few = dict(np.load(path)) | {"membership.member_loss": np.zeros(2, np.float32)}
    np.savez(path, **few)
    with pytest.raises(ValueError, match=r"run train-0: membership takes 4 or more members"):
        study(text)
