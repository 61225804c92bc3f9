"""Planted capacities come out of a table, per size, per precision, never mixed."""

import polars as pl
import pytest

from rote.analysis.fits.plateau import NoPlateau
from rote.analysis.reports.capacity.summary import summarise

SHAPES = ((1, 16), (1, 24), (2, 32))


def test_planted_bits_per_parameter_are_recovered(build_table) -> None:
    summary = summarise(build_table(shapes=SHAPES, seeds=(0, 1), noise=0.01))
    by_precision = {alpha.precision: alpha for alpha in summary.alphas}
    assert list(by_precision) == ["fp32", "bf16_mixed"]
    for precision, planted in (("fp32", 3.0), ("bf16_mixed", 2.5)):
        alpha = by_precision[precision]
        assert alpha.slope is not None and alpha.slope_with_intercept is not None
        assert alpha.bits_per_parameter == pytest.approx(planted, rel=0.02)
        assert alpha.models == ("1x16", "1x24", "2x32")
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
        bounds = [each for each in summary.capacities if each.lower_bound_reason]
        assert len(bounds) == marked
        assert sum(alpha.is_lower_bound for alpha in summary.alphas) == marked


def test_data_that_never_fill_the_model_give_the_maximum(build_table) -> None:
    summary = summarise(build_table(fills=(0.1, 0.2, 0.4, 0.8)))
    capacity, alpha = summary.capacities[0], summary.alphas[0]
    assert isinstance(capacity.plateau, NoPlateau)
    assert capacity.capacity_bits == capacity.maximum_bits
    assert capacity.interval_bits_per_parameter is None
    assert alpha.slope is None and alpha.is_lower_bound
    assert alpha.bits_per_parameter == alpha.maximum_bits_per_parameter < 3.0


@pytest.mark.parametrize("column", ["optim.lr", "budget.max_steps", "task.length"])
def test_mixed_settings_are_refused(build_table, column: str) -> None:
    table = build_table()
    other = pl.when(pl.int_range(pl.len()) == 0).then(pl.col(column) * 2).otherwise(pl.col(column))
    with pytest.raises(ValueError, match=rf"{column} varies .* 1x16 in fp32"):
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
    assert other.bits_per_parameter > one.bits_per_parameter
    assert not {*one.run_ids} & {*other.run_ids}
    assert summary.runs_of(summary.capacities[1])["optim.lr"].unique().to_list() == [1.0]


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
