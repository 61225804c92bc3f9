"""Planted capacities are recovered per size and format; doubt is said and nothing more claimed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import t as student_t

from rote.analysis.fits.plateau import NoPlateau
from rote.analysis.fits.search import NoFit
from rote.analysis.page import Content
from rote.analysis.published import GPT2
from rote.analysis.reports.capacity import study as capacity_study
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.differences import differences
from rote.analysis.reports.capacity.figures import bits_per_parameter, published_of
from rote.analysis.reports.capacity.report import make
from rote.analysis.reports.capacity.study import Study
from tests.analysis.scaled import results

SHAPES = ((1, 16), (1, 24), (2, 32))
STORED = pl.col("entropy_bits") - pl.col("cost.train_code_bits")


def study(table: pl.DataFrame) -> Study:
    return capacity_study.study(table, {})


def renamed(table: pl.DataFrame, ending: object) -> pl.DataFrame:
    return table.with_columns(pl.format("{}-{}", "run_id", pl.lit(str(ending))).alias("run_id"))


def storing(table: pl.DataFrame, factor: float) -> pl.DataFrame:
    """Runs that store so many times as much."""
    return table.with_columns(
        (pl.col("entropy_bits") - factor * STORED).alias("cost.train_code_bits")
    )


def unconverged(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.lit(False).alias("training.converged"))


@pytest.fixture
def page(build_curves) -> Callable[[pl.DataFrame], Content]:
    """What the report on a table says."""
    return lambda table: make(results(table, Path(), curves=build_curves(table)))


def claims(found: Study) -> str:
    """Every sentence of the page that claims something."""
    titles = (wording.all_hold(found), wording.alphas_compared(found))
    return "\n".join((*wording.headlines(found, differences(found)), *titles))


def test_planted_bits_per_parameter_are_recovered(build_table) -> None:
    found = study(build_table(shapes=SHAPES, seeds=(0, 1), noise=0.01))
    by_precision = {alpha.precision: alpha for alpha in found.alphas}
    assert list(by_precision) == ["fp32", "bf16_mixed"]
    for precision, planted in (("fp32", 3.0), ("bf16_mixed", 2.5)):
        alpha = by_precision[precision]
        assert alpha.slope is not None and not alpha.is_lower_bound
        assert alpha.bits_per_parameter.value == pytest.approx(planted, rel=0.02)
        models = [each.model for each in alpha.fitted]
        assert models == ["1x16, 2 heads", "1x24, 2 heads", "2x32, 2 heads"]
    for capacity in found.capacities:
        by_seed = capacity.runs.group_by("seed").agg(pl.max("memorised_bits"))["memorised_bits"]
        assert len(by_seed) == 2 and capacity.runs.height == 12
        assert sorted(capacity.seed_maxima_bits) == sorted(by_seed)
        assert capacity.plateau.maximum_bits == by_seed.max()
    assert wording.all_hold(found).startswith("Memory fills up at 2.")


def test_an_unconverged_run_beyond_capacity_makes_a_lower_bound(build_table) -> None:
    table = build_table(noise=0.01)
    smallest, largest = table["entropy_bits"].arg_min(), table["entropy_bits"].arg_max()
    for index, marked in ((smallest, 0), (largest, 1)):
        converged = [position != index for position in range(table.height)]
        found = study(table.with_columns(pl.Series("training.converged", converged)))
        assert sum(each.num_unconverged > 0 for each in found.capacities) == marked
        assert sum(alpha.is_lower_bound for alpha in found.alphas) == marked


def test_of_unconverged_runs_only_what_one_run_stored_is_claimed(build_table) -> None:
    found = study(unconverged(build_table(noise=0.05)))
    (apart,) = differences(study(unconverged(build_table(seeds=(0, 1), noise=0.001))))
    for alpha in found.alphas:
        stored, mean = alpha.maximum_bits_per_parameter, alpha.bits_per_parameter.value
        assert stored != pytest.approx(mean, abs=0.01)  # else nothing is told
        assert stored - 0.01 < float(wording.value(alpha).removeprefix("at least ")) <= stored
        assert f"plateau {mean:.2f}, 95 % interval" in wording.headline(alpha)
    assert "fills up" not in claims(found) and "longer training may store" in claims(found)
    assert wording.verdict(apart) == "they differ, in runs that had not converged"
    assert wording.floored(2.1999) == "2.19"
    assert wording.floored(0.00421) == "0.0042"


def test_nothing_is_claimed_of_models_that_memorised_nothing(build_table) -> None:
    found = study(storing(build_table(), -0.01))
    assert wording.all_hold(found) == wording.alphas_compared(found) == wording.NOTHING
    assert wording.value(found.alphas[0]) == "none"
    assert "fp32: no run memorised anything" in claims(found)
    assert "at least" not in claims(found) and "fills up" not in claims(found)


def test_one_data_set_of_one_seed_is_no_plateau_and_no_difference(build_table) -> None:
    found = study(build_table(shapes=((1, 16),), fills=(4.0,)))
    title = "One run stored 2.99 bits per parameter; no model shows a plateau"
    assert wording.all_hold(found) == title
    assert "differ" not in claims(found)
    one_seed = study(build_table(shapes=((1, 16),)))
    assert claims(one_seed).count("1 seed of one size): no interval, no verdict") == 1


def test_data_that_never_fill_the_model_give_the_maximum(build_table, page) -> None:
    table = build_table(fills=(0.1, 0.2, 0.4, 0.8), planted={"tf32": 3.0})
    found = study(table)
    capacity, alpha = found.capacities[0], found.alphas[0]
    assert isinstance(capacity.plateau, NoPlateau)
    assert capacity.capacity_bits == capacity.plateau.maximum_bits
    assert capacity.bits_per_parameter.interval is None
    assert capacity.is_data_limited and alpha.num_data_limited == 2
    assert alpha.slope is None and not alpha.is_lower_bound  # all of these runs had converged
    assert alpha.bits_per_parameter.value == alpha.maximum_bits_per_parameter < 3.0
    assert wording.all_hold(found).startswith("All data sets are stored")
    content = page(table)
    assert "at least" not in content.headlines[0] and "2 sizes data-limited" in content.headlines[0]
    assert content.headlines[1] == "8 of 8 runs converged, judged by growth per 1,000 steps"
    assert "no published value for this model and precision" in content.cards[0].lines[-1].words
    doubts = content.sections[0].blocks[1].items
    assert doubts[0].startswith("data-limited: the capacity is not 10 % below")
    stopped = page(unconverged(table))
    assert stopped.headlines[0].startswith("tf32: at least ")
    (doubt, *_) = stopped.sections[0].blocks[1].items
    assert "had not converged: 1x16, 2 heads in tf32 (1 run); 1x24" in doubt


def doubled(column: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The first run has twice as much."""
    is_first = pl.int_range(pl.len()) == 0
    return lambda table: table.with_columns(
        pl.when(is_first).then(pl.col(column) * 2).otherwise(pl.col(column)).alias(column)
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.clear(), "no finished run"),
        (lambda table: pl.concat([table, table]), "twice"),
        (lambda table: table.with_columns(entropy_bits=pl.lit(None, pl.Float64)), "entropy_bits"),
        (lambda table: table.with_columns(pl.lit("fp23").alias("precision.name")), "fp23.*choose"),
        (doubled("optim.lr"), r"optim.lr varies .* 1x16, 2 heads in fp32"),
        (doubled("budget.max_steps"), r"budget.max_steps varies .* 1x16, 2 heads in fp32"),
    ],
)
def test_unusable_tables_and_mixed_settings_are_refused(build_table, spoil, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study(spoil(build_table()))


def test_each_length_of_sequences_has_a_capacity_although_N_follows_from_it(build_table) -> None:
    short = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    long = storing(renamed(short, "long"), 1.1).with_columns(
        pl.col("task.length") * 2, pl.col("task.num_sequences") + 1
    )
    one, other = study(pl.concat([short, long])).alphas
    length = short["task.length"][0]
    assert (one.format, other.format) == (f"fp32, length {length}", f"fp32, length {2 * length}")
    assert other.bits_per_parameter.value == pytest.approx(3.3, rel=0.01)
    assert one.bits_per_parameter.value == pytest.approx(3.0, rel=0.01)


def test_what_else_a_sweep_varies_makes_capacities_of_its_own(build_table) -> None:
    slow = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    quick = storing(renamed(slow, "quick"), 1.1).with_columns(pl.lit(1.0).alias("optim.lr"))
    found = study(pl.concat([slow, quick]))
    lr = slow["optim.lr"][0]
    assert [alpha.format for alpha in found.alphas] == [f"fp32, lr {lr}", "fp32, lr 1.0"]
    one, other = found.alphas
    assert other.bits_per_parameter.value > one.bits_per_parameter.value
    assert other.runs["optim.lr"].unique().to_list() == [1.0]
    # A batch may be a share of the data, and a setting follow from the size.
    third = (pl.col("task.num_sequences") / 3).round().cast(pl.Int64).alias("budget.batch_size")
    by_size = pl.when(pl.col("size.width") == 16).then(1e-3).otherwise(3e-4).alias("optim.lr")
    table = build_table(planted={"fp32": 3.0}).with_columns(third, by_size)
    assert [each.format for each in study(table).capacities] == ["fp32", "fp32"]


def with_heads(table: pl.DataFrame, heads: int, factor: float) -> pl.DataFrame:
    columns = (pl.lit(heads).alias("size.num_heads"), pl.lit(heads).alias("model.num_heads"))
    return storing(renamed(table, heads), factor).with_columns(*columns)


def test_heads_are_models_of_their_own_and_the_mean_takes_the_best_of_each_size(
    build_table,
) -> None:
    table = build_table(planted={"fp32": 2.0}, noise=0.001)
    small, large = (table.filter(pl.col("size.width") == width) for width in (16, 24))
    tried = [(small, 4, 1.0), (small, 8, 1.2), (large, 3, 1.2), (large, 12, 1.1)]
    found = study(pl.concat([with_heads(*each) for each in tried]))
    assert [each.model for each in found.capacities] == [
        "1x16, 4 heads", "1x16, 8 heads", "1x24, 3 heads", "1x24, 12 heads",
    ]  # fmt: skip
    (alpha,) = found.alphas
    assert alpha.format == "fp32" and alpha.has_chosen_heads
    assert [each.model for each in found.best] == ["1x16, 8 heads", "1x24, 3 heads"]
    assert alpha.bits_per_parameter.value == pytest.approx(2.4, rel=0.02)
    assert alpha.runs.height == table.height
    title = wording.heads_compared(found.capacities)
    assert title.startswith("At equal parameters heads matter: 2.38 bits per parameter with 8")
    assert not study(with_heads(table, 4, 1.0)).alphas[0].has_chosen_heads
    alike = [
        with_heads(build_table(planted={"fp32": 2.0}, noise=0.05), heads, 1) for heads in (1, 2)
    ]
    title = wording.heads_compared(study(pl.concat(alike)).capacities)
    assert title.startswith("No difference between heads is shown")


def trained_for(table: pl.DataFrame, *budgets: int) -> pl.DataFrame:
    """Runs of these budgets: of T steps they lack 100 / T of what is planted."""
    return pl.concat(
        storing(renamed(table, steps), 1 - 100 / steps).with_columns(
            pl.lit(steps).alias("budget.max_steps"), pl.lit(steps).alias("training.steps")
        )
        for steps in budgets
    )


def test_of_runs_that_differ_in_their_budget_the_longest_counts(build_table) -> None:
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    short = unconverged(trained_for(table, 1000, 2000))
    found = study(pl.concat([trained_for(table, 4000), short]))
    (capacity,) = found.capacities
    assert capacity.format == "fp32" and capacity.num_unconverged == 0
    assert all(run_id.endswith("-4000") for run_id in capacity.runs["run_id"])
    assert found.longest.height == table.height and found.runs.height == 3 * table.height
    assert capacity.limit is not None
    assert capacity.limit.bits == pytest.approx(table.select(STORED).max().item(), rel=1e-6)
    assert capacity.limit.exponent == pytest.approx(1, rel=1e-5)
    full = found.longest.filter(pl.col("memorised_bits") > 0.9 * pl.col("ceiling_bits"))
    assert 0 < full.height == table.height - len(capacity.budgets.trained)
    assert len(capacity.budgets.most.run_ids) == 3
    assert isinstance(capacity.budgets.held_back, NoFit)  # two shorter budgets predict nothing
    (capacity,) = study(trained_for(table, 500, 1000, 2000, 4000)).capacities
    stored = f"{capacity.maximum_bits_per_parameter:.2f}"
    assert wording.limit(capacity).endswith(f"{stored} predicted from shorter budgets")


def test_a_run_that_stops_as_early_as_a_shorter_one_is_no_shorter_budget(build_table) -> None:
    """Of at most 8,000 steps it took 4,000: those are not predicted from themselves."""
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    four = trained_for(table, 500, 1000, 2000, 4000)
    early = renamed(trained_for(table, 4000), "early").with_columns(
        pl.lit(8000).alias("budget.max_steps")
    )
    one, other = (study(runs).capacities[0] for runs in (four, pl.concat([four, early])))
    assert len(other.budgets.most.run_ids) == 5
    assert other.budgets.held_back == one.budgets.held_back


def test_a_sweep_of_heads_and_budgets_shows_both(build_table, page) -> None:
    """Eight heads store a tenth more than two; of T steps runs lack 100 / T."""
    table = build_table(planted={"fp32": 3.0}, noise=0.001)
    tried = [with_heads(table, 2, 1.0), with_heads(table, 8, 1.1)]
    content = page(trained_for(pl.concat(tried), 500, 1000, 2000))
    figures = next(each for each in content.sections if each.title == "Figures")
    names = [plot.name for plot in figures.blocks]
    assert names == ["bits_per_parameter", "heads", "budgets", "training_curves"]
    alpha, limit = (content.numbers[name] for name in ("alpha fp32", "limit 1x16, 8 heads fp32"))
    assert alpha["models"] == ["1x16, 8 heads", "1x24, 8 heads"]
    assert alpha["bits_per_parameter"] == pytest.approx(3.0 * 1.1 * 0.95, rel=0.02)
    assert all(run_id.endswith("-8-2000") for run_id in alpha["runs"])
    stored, (low, high) = limit["stored_bits_per_parameter"], limit["interval_bits_per_parameter"]
    assert stored == pytest.approx(3.3 * 0.95, rel=0.02)
    assert low <= limit["bits_per_parameter"] <= high
    assert limit["bits_per_parameter"] == pytest.approx(stored / 0.95, rel=0.02)
    assert len(limit["runs"]) % 3 == 0 and len(limit["runs"]) >= 9
    limits = [line for line in content.headlines if "unlimited optimiser steps" in line]
    assert len(limits) == 2 and "95 % interval" in limits[0]
    assert "the best heads of each size: 1x16, 8 heads; 1x24, 8 heads" in content.headlines[0]


def test_a_finish_is_shown_with_what_it_gained_and_why_it_ended(build_table, page) -> None:
    finished = unconverged(build_table(planted={"fp32": 3.0})).with_columns(
        pl.lit(123.0).alias("training.finish.memorised_bits_before"),
        pl.lit(345).alias("training.finish.evaluations"),
        pl.lit("line search").alias("training.finish.ended_by"),
        pl.lit(None, pl.Float64).alias("training.growth_bits_per_1000_steps"),
    )
    content = page(finished)
    (runs, _) = content.sections[-1].blocks
    for row in runs.cells:
        assert {"no (finish: line search)", "123", "345", "not measured"} <= {
            each.line for each in row
        }
    judged = "0 of 12 runs converged, judged by the gain that the full-batch finish predicts"
    assert judged in content.headlines
    assert content.setting.endswith(
        "2,000 optimiser steps, then 345 full-batch evaluations; 1 seed."
    )


def test_how_long_a_run_trains_at_least_is_a_part_of_its_budget(build_table) -> None:
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    least = pl.lit(4000).alias("budget.saturation.min_steps")
    some = [trained_for(table, 1000), renamed(trained_for(table, 4000), "short")]
    longest = trained_for(table, 4000).with_columns(least)
    runs = pl.concat([*(each.with_columns(least * 0 + 500) for each in some), longest])
    (capacity,) = study(runs).capacities
    assert sorted(capacity.runs["run_id"]) == sorted(longest["run_id"])


def test_a_budget_that_varies_with_the_data_alone_is_refused(build_table) -> None:
    """Some repeated and some not: those that are not count as they are."""
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    small, large = table[: table.height // 2], table[table.height // 2 :]
    with pytest.raises(ValueError, match=r"budget\.max_steps varies"):
        study(pl.concat([trained_for(small, 1000), trained_for(large, 4000)]))
    some = pl.concat([trained_for(small, 4000), trained_for(large, 4000, 1000, 2000)])
    assert study(some).capacities[0].budgets is not None


def test_parts_of_a_finish_and_of_a_constant_rate_are_budgets_too(build_table) -> None:
    """Bits at T / 4, T / 2 and T of a curve that lacks 4,000 bits over its length."""
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    finish = [{"step": 2000, "tokens": 1, "memorised_bits": 500.0}] + [
        {"step": 2000 + n, "evaluations": n, "memorised_bits": 1000 - 4000 / n}
        for n in range(1, 41)
    ]
    steps = [{"step": n, "memorised_bits": 1000 - 10_000 / n} for n in range(100, 2001, 100)]
    constant = pl.lit("rote.optim.schedules.constant").alias("optim.schedule._target_")
    for runs, curve, unit in (
        (table, finish, "evaluations of the finish"),
        (table, steps, None),
        (table.with_columns(constant), steps, "optimiser steps"),
    ):
        (capacity,) = capacity_study.study(runs, dict.fromkeys(runs["run_id"], curve)).capacities
        assert (capacity.budgets and capacity.budgets.unit) == unit
        if unit:
            assert capacity.limit.bits == pytest.approx(1000, rel=1e-6)


def test_formats_are_compared_size_by_size(build_table) -> None:
    """Sizes hold 2, 3 and 4 bits and every one 0.1 less in bf16: means overlap, sizes do not."""
    parts = [
        build_table(shapes=(shape,), planted={"fp32": bits, "bf16_mixed": bits - 0.1}, noise=0.001)
        for shape, bits in zip(SHAPES, (2.0, 3.0, 4.0), strict=True)
    ]
    found = study(pl.concat([renamed(part, place) for place, part in enumerate(parts)]))
    fp32, bf16 = (alpha.bits_per_parameter for alpha in found.alphas)
    assert bf16.ends[1] > fp32.ends[0]
    (apart,) = differences(found)
    assert (apart.formats, apart.pairs) == ("bf16_mixed less fp32", "3 sizes")
    assert apart.bits_per_parameter.value == pytest.approx(-0.1, abs=0.01)
    assert apart.bits_per_parameter.sign == -1
    assert wording.difference(apart).endswith("3 sizes): they differ")


def test_one_size_is_compared_seed_by_seed(build_table) -> None:
    """By hand: Student's t over the differences of two seeds' plateaus."""
    table = build_table(shapes=((1, 16),), seeds=(0, 1), noise=0.02)
    (apart,) = differences(study(table))
    assert apart.pairs == "2 seeds of one size"
    seeds = [study(table.filter(pl.col("seed") == seed)).capacities for seed in (0, 1)]
    gaps = [bf16.bits_per_parameter.value - fp32.bits_per_parameter.value for fp32, bf16 in seeds]
    middle, reach = np.mean(gaps), 12.7062 * abs(gaps[1] - gaps[0]) / 2
    assert apart.bits_per_parameter.value == pytest.approx(middle)
    assert apart.bits_per_parameter.interval == pytest.approx(
        (middle - reach, middle + reach), rel=1e-4
    )


def test_runs_of_the_same_data_that_fill_both_models_are_pairs(build_table) -> None:
    """By hand: two seeds, two data sets beyond capacity, too few for a plateau of a seed."""
    fp32 = build_table(
        shapes=((1, 16),), fills=(0.5, 2.0, 3.0), seeds=(0, 1), planted={"fp32": 3.0}
    )
    bf16 = renamed(fp32.sort("seed", "entropy_bits"), "b").with_columns(
        pl.lit("bf16_mixed").alias("precision.name"),
        (pl.col("cost.train_code_bits") + pl.Series([0.0, 300.0, 500.0, 0.0, 500.0, 700.0])),
    )
    (apart,) = differences(study(pl.concat([fp32, bf16.select(fp32.columns)])))
    parameters = fp32["parameters"][0]
    assert apart.pairs == "2 seeds of one size"
    assert apart.bits_per_parameter.value == pytest.approx(-500 / parameters)
    # 400 and 600 bits: half their distance times Student's t of one degree.
    reach = 12.7062 * 100 / parameters
    assert apart.bits_per_parameter.high == pytest.approx(-500 / parameters + reach, rel=1e-4)


def test_formats_of_different_sizes_add_their_errors_as_squares(build_table) -> None:
    fp32 = build_table(shapes=SHAPES[:2], planted={"fp32": 3.0}, noise=0.01)
    tf32 = build_table(shapes=SHAPES[2:], planted={"tf32": 2.0}, noise=0.01, seeds=(0, 1))
    found = study(pl.concat([fp32, renamed(tf32, "t")]))
    (apart,) = differences(found)
    slopes = [alpha.slope for alpha in found.alphas]
    error = np.hypot(*(each.standard_error for each in slopes))
    reach = student_t.ppf(0.975, min(each.degrees for each in slopes)) * error
    assert apart.pairs == "no size in both"
    assert apart.bits_per_parameter.ends[1] - apart.bits_per_parameter.value == pytest.approx(reach)
    assert differences(study(fp32)) == ()


def test_published_values_stand_only_beside_what_they_were_measured_on(build_table) -> None:
    ours = {"shapes": ((1, 32),), "planted": {"fp32": 3.0}}
    named = pl.lit(GPT2).alias("model._target_")
    same = study(build_table(**ours, vocab_size=2048, length=64).with_columns(named))
    assert [each.bits_per_parameter for each in published_of(same.capacities[0])] == [4.23]
    assert wording.headline(same.alphas[0]).endswith("; published 3.83)")
    assert "1x128 3.65 in fp32" in bits_per_parameter(same).caption
    assert "published, fp32 (2,048 symbols, 64 tokens)" in bits_per_parameter(same).csv().decode()
    other_data = study(build_table(**ours).with_columns(named))
    assert published_of(other_data.capacities[0]) == []
    assert "published 3.83 for 2,048 symbols and 64 tokens" in wording.headline(
        other_data.alphas[0]
    )
    gru = pl.lit("lib.GRU").alias("model._target_")
    other_model = study(build_table(**ours, vocab_size=2048, length=64).with_columns(gru))
    assert published_of(other_model.capacities[0]) == []
    assert "published" not in claims(other_model)
    assert "ublished" not in bits_per_parameter(other_model).caption
