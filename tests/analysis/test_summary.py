"""Planted capacities come out of a table, per size, per precision, never mixed."""

import polars as pl
import pytest

from rote.analysis.fits.budget import Limit, NoLimit
from rote.analysis.fits.plateau import NoPlateau
from rote.analysis.quantities.capacity import capacity_quantities
from rote.analysis.reports.capacity import summary as capacity_summary
from rote.analysis.reports.capacity.summary import Summary
from rote.analysis.reports.capacity.wording import at_least, headline, limit, value

SHAPES = ((1, 16), (1, 24), (2, 32))


def summarise(table: pl.DataFrame) -> Summary:
    return capacity_summary.summarise(table, {})


def test_planted_bits_per_parameter_are_recovered(build_table) -> None:
    summary = summarise(build_table(shapes=SHAPES, seeds=(0, 1), noise=0.01))
    by_precision = {alpha.precision: alpha for alpha in summary.alphas}
    assert list(by_precision) == ["fp32", "bf16_mixed"]
    for precision, planted in (("fp32", 3.0), ("bf16_mixed", 2.5)):
        alpha = by_precision[precision]
        assert alpha.slope is not None
        assert alpha.bits_per_parameter.value == pytest.approx(planted, rel=0.02)
        assert alpha.models == ("1x16, 2 heads", "1x24, 2 heads", "2x32, 2 heads")
        assert not alpha.is_lower_bound
    assert len(summary.capacities) == 6
    assert all(each.num_seeds == 2 and len(each.run_ids) == 12 for each in summary.capacities)


def test_seed_spread_is_the_deviation_of_the_maxima(build_table) -> None:
    table = build_table(seeds=(0, 1, 2), noise=0.05)
    capacity = summarise(table).capacities[0]
    runs = table.filter(pl.col("run_id").is_in(capacity.run_ids))
    memorised = pl.col("entropy_bits") - pl.col("cost.train_code_bits")
    maxima = runs.group_by("seed").agg(memorised.max().alias("bits"))["bits"]
    assert capacity.seed_spread_bits == pytest.approx(maxima.std())
    assert capacity.maximum_bits == pytest.approx(maxima.max())
    assert summarise(build_table()).capacities[0].seed_spread_bits is None


def test_an_unconverged_run_beyond_capacity_makes_a_lower_bound(build_table) -> None:
    table = build_table(noise=0.01)
    smallest, largest = table["entropy_bits"].arg_min(), table["entropy_bits"].arg_max()
    for index, marked in ((smallest, 0), (largest, 1)):
        converged = [position != index for position in range(table.height)]
        summary = summarise(table.with_columns(pl.Series("training.converged", converged)))
        bounds = [each for each in summary.capacities if each.num_unconverged]
        assert len(bounds) == marked
        assert sum(alpha.is_lower_bound for alpha in summary.alphas) == marked


def test_a_bound_is_what_one_run_stored_and_never_the_plateau(build_table) -> None:
    table = build_table(noise=0.05).with_columns(pl.lit(False).alias("training.converged"))
    for alpha in summarise(table).alphas:
        stored = max(each.maximum_bits / each.parameters for each in alpha.capacities)
        mean = alpha.bits_per_parameter.value
        assert stored != pytest.approx(mean, abs=0.01)  # else nothing is told
        bound = float(value(alpha).removeprefix("at least "))
        assert stored - 0.01 < bound <= stored
        assert f"plateau {mean:.2f}, 95 % interval" in headline(alpha)
    assert at_least(2.1999) == "at least 2.19"


def test_data_that_never_fill_the_model_give_the_maximum(build_table) -> None:
    summary = summarise(build_table(fills=(0.1, 0.2, 0.4, 0.8)))
    capacity, alpha = summary.capacities[0], summary.alphas[0]
    assert isinstance(capacity.plateau, NoPlateau)
    assert capacity.capacity_bits == capacity.maximum_bits
    assert capacity.bits_per_parameter.interval is None
    assert capacity.is_data_limited and alpha.num_data_limited == 2
    assert alpha.slope is None and not alpha.is_lower_bound  # all of these runs had converged
    assert alpha.bits_per_parameter.value == alpha.maximum_bits_per_parameter < 3.0


@pytest.mark.parametrize("column", ["optim.lr", "budget.max_steps", "task.length"])
def test_mixed_settings_are_refused(build_table, column: str) -> None:
    table = build_table()
    other = pl.when(pl.int_range(pl.len()) == 0).then(pl.col(column) * 2).otherwise(pl.col(column))
    with pytest.raises(ValueError, match=rf"{column} varies .* 1x16, 2 heads in fp32"):
        summarise(table.with_columns(other.alias(column)))


def test_what_else_a_sweep_varies_makes_capacities_of_its_own(build_table) -> None:
    slow = build_table(shapes=((1, 16),)).filter(pl.col("precision.name") == "fp32")
    quick = slow.with_columns(
        pl.lit(1.0).alias("optim.lr"),
        pl.format("{}-quick", pl.col("run_id")).alias("run_id"),
        pl.col("cost.train_code_bits") * 0.5,
    )
    summary = summarise(pl.concat([slow, quick]))
    lr = slow["optim.lr"][0]
    assert [alpha.format for alpha in summary.alphas] == [f"fp32, lr {lr}", "fp32, lr 1.0"]
    assert [each.format for each in summary.capacities] == [f"fp32, lr {lr}", "fp32, lr 1.0"]
    one, other = summary.alphas
    assert other.bits_per_parameter.value > one.bits_per_parameter.value
    assert not {*one.run_ids} & {*other.run_ids}
    assert summary.runs_of(summary.capacities[1])["optim.lr"].unique().to_list() == [1.0]


def test_a_batch_may_be_a_share_of_the_data(build_table) -> None:
    third = (pl.col("task.num_sequences") / 3).round().cast(pl.Int64).alias("budget.batch_size")
    table = build_table(planted={"fp32": 3.0}).with_columns(third)
    assert [each.setting for each in summarise(table).capacities] == ["", ""]


def test_a_setting_may_differ_between_sizes(build_table) -> None:
    lr = pl.when(pl.col("size.width") == 16).then(1e-3).otherwise(3e-4)
    assert len(summarise(build_table().with_columns(lr.alias("optim.lr"))).capacities) == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.clear(), "no finished run"),
        (lambda table: pl.concat([table, table]), "twice"),
        (lambda table: table.with_columns(entropy_bits=pl.lit(None, pl.Float64)), "entropy_bits"),
        (lambda table: table.with_columns(pl.lit("fp23").alias("precision.name")), "fp23.*choose"),
    ],
)
def test_unusable_tables_are_refused(build_table, spoil, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        summarise(spoil(build_table()))


def with_heads(table: pl.DataFrame, heads: int, gain: float) -> pl.DataFrame:
    stored = pl.col("entropy_bits") - pl.col("cost.train_code_bits")
    return table.with_columns(
        pl.lit(heads).alias("size.num_heads"),
        pl.lit(heads).alias("model.num_heads"),
        pl.format("{}-{}", "run_id", pl.lit(heads)).alias("run_id"),
        (pl.col("entropy_bits") - gain * stored).alias("cost.train_code_bits"),
    )


def test_heads_are_models_of_their_own_and_the_slope_takes_the_best_of_each_size(
    build_table,
) -> None:
    table = build_table(planted={"fp32": 2.0})
    small, large = (table.filter(pl.col("size.width") == width) for width in (16, 24))
    summary = summarise(
        pl.concat(
            [with_heads(small, 4, 1.0), with_heads(small, 8, 1.2), with_heads(large, 3, 1.2),
             with_heads(large, 12, 1.1)]
        )
    )  # fmt: skip
    assert [each.model for each in summary.capacities] == [
        "1x16, 4 heads", "1x16, 8 heads", "1x24, 3 heads", "1x24, 12 heads",
    ]  # fmt: skip
    (alpha,) = summary.alphas
    assert alpha.format == "fp32" and alpha.has_chosen_heads
    assert alpha.models == ("1x16, 8 heads", "1x24, 3 heads")
    assert [each.model for each in summary.best] == list(alpha.models)
    assert alpha.bits_per_parameter.value == pytest.approx(2.4, rel=0.02)
    assert len(alpha.run_ids) == table.height
    alone = summarise(with_heads(table, 4, 1.0)).alphas[0]
    assert not alone.has_chosen_heads


def repeated(table: pl.DataFrame, *budgets: int) -> pl.DataFrame:
    """Runs of these budgets: of the longest as planted, of T steps less by T^-1 thousand."""
    stored = pl.col("entropy_bits") - pl.col("cost.train_code_bits")
    return pl.concat(
        [
            table.with_columns(
                pl.lit(steps).alias("budget.max_steps"),
                pl.lit(steps).alias("training.steps"),
                pl.format("{}-{}", "run_id", pl.lit(steps)).alias("run_id"),
                (pl.col("entropy_bits") - stored * (1 - 100 / steps)).alias("cost.train_code_bits"),
            )
            for steps in budgets
        ]
    )


def test_of_runs_that_differ_in_their_budget_the_longest_counts(build_table) -> None:
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    short = pl.lit(False).alias("training.converged")
    summary = summarise(
        pl.concat([repeated(table, 4000), repeated(table, 1000, 2000).with_columns(short)])
    )
    (capacity,) = summary.capacities
    assert capacity.setting == "" and capacity.num_unconverged == 0
    assert all(run_id.endswith("-4000") for run_id in capacity.run_ids)
    assert summary.longest.height == table.height and summary.runs.height == 3 * table.height
    planted = table["entropy_bits"] - table["cost.train_code_bits"]
    assert capacity.limit is not None and capacity.limit.interval_bits is not None
    assert capacity.limit.bits == pytest.approx(planted.max(), rel=1e-6)
    assert capacity.limit.exponent == pytest.approx(1, rel=1e-5)
    full = capacity_quantities(table).filter(planted * 0.975 > 0.9 * pl.col("ceiling_bits"))
    assert 0 < full.height == table.height - len(capacity.budgets.trained)
    assert len(capacity.budgets.most.run_ids) == 3
    assert isinstance(capacity.budgets.held_back, NoLimit)  # two shorter budgets predict nothing


def test_the_longest_budget_is_held_against_what_shorter_ones_predict(build_table) -> None:
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    (capacity,) = summarise(repeated(table, 500, 1000, 2000, 4000)).capacities
    held_back = capacity.budgets.held_back
    assert isinstance(held_back, Limit)
    assert held_back.bits == pytest.approx(capacity.maximum_bits, rel=1e-6)
    assert limit(capacity).endswith(
        f"{capacity.maximum_bits / capacity.parameters:.2f} predicted from shorter budgets"
    )


def test_how_long_a_run_trains_at_least_is_a_part_of_its_budget(build_table) -> None:
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    runs = pl.concat([repeated(table, 1000), repeated(table, 4000), repeated(table, 4000)])
    ids = [f"{index:016x}" for index in range(runs.height)]
    least = [500] * table.height + [4000] * table.height + [500] * table.height
    runs = runs.with_columns(
        pl.Series("run_id", ids), pl.Series("budget.saturation.min_steps", least)
    )
    (capacity,) = summarise(runs).capacities
    assert sorted(capacity.run_ids) == ids[table.height : 2 * table.height]


def test_a_budget_that_varies_with_the_data_alone_is_refused(build_table) -> None:
    """Some repeated and some not: those that are not count as they are."""
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    half = table.height // 2
    mixed = pl.concat([repeated(table[:half], 1000), repeated(table[half:], 4000)])
    with pytest.raises(ValueError, match=r"budget\.max_steps varies"):
        summarise(mixed)
    some = pl.concat([repeated(table[:half], 4000), repeated(table[half:], 4000, 1000, 2000)])
    assert summarise(some).capacities[0].budgets is not None


def test_parts_of_a_finish_and_of_a_constant_rate_are_budgets_too(build_table) -> None:
    """Bits at T / 4, T / 2 and T of a curve 1,000 - 100 (T / t)^1 evaluations long."""
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    rows = [
        {"step": 2000 + n, "evaluations": n, "memorised_bits": 1000 - 100 * 40 / n}
        for n in range(1, 41)
    ]
    before = [{"step": 2000, "tokens": 1, "memorised_bits": 500.0}]
    curves = {run_id: [*before, *rows] for run_id in table["run_id"]}
    (capacity,) = capacity_summary.summarise(table, curves).capacities
    assert capacity.budgets.unit == "evaluations of the finish" and capacity.budgets.are_prefixes
    assert capacity.budgets.most.curve.budgets == [10, 20, 40]
    assert capacity.limit.bits == pytest.approx(1000, rel=1e-6)
    steps = {
        run_id: [{"step": n, "memorised_bits": 1000 - 10_000 / n} for n in range(100, 2001, 100)]
        for run_id in table["run_id"]
    }
    assert capacity_summary.summarise(table, steps).capacities[0].budgets is None
    constant = table.with_columns(
        pl.lit("rote.optim.schedules.constant").alias("optim.schedule._target_")
    )
    (capacity,) = capacity_summary.summarise(constant, steps).capacities
    assert capacity.budgets.unit == "optimiser steps" and capacity.budgets.are_prefixes
    assert capacity.limit.bits == pytest.approx(1000, rel=1e-6)
