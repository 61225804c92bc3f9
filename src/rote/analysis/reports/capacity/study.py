"""Derive one capacity per model and format from runs, and one mean per format.

A model is a size with a number of heads, which are not parameters. A format is a precision, with
one further setting if the sweep varies any. Of runs that differ only in their training budget the
longest counts; the others show the gain of a longer budget.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from rote.analysis.estimate import Estimate, plural
from rote.analysis.fits.budget import Limit
from rote.analysis.fits.plateau import NoPlateau, Plateau, fit_plateau
from rote.analysis.fits.random_effects import RandomEffectsMean, fit_slope
from rote.analysis.metrics import derive
from rote.analysis.quantities.settings import differing_settings, joined_words, with_setting
from rote.analysis.reports.capacity.budgets import (
    BUDGET,
    SETTINGS,
    Budgets,
    budgets_of,
    with_longest,
)
from rote.analysis.results import Curve

PRECISIONS = {  # in the order of tables and legends
    "fp32": "32-bit weights and products, TF32 off",
    "tf32": "32-bit weights, TF32 products",
    "fp16_mixed": "32-bit weights, fp16 autocast, scaled loss",
    "bf16_mixed": "32-bit weights, bf16 autocast",
    "bf16_true": "bf16 weights",
    "fp8": "32-bit weights, fp8 linear layers, bf16 otherwise",
    "qat_int8": "8-bit matrices, trained in",
    "qat_int4": "4-bit matrices in groups of 32, trained in",
    "qat_ternary": "ternary matrices, trained in",
}
DATA = "task.num_sequences"
MODEL = ("model", "precision.name", "seed")
MAY_VARY = (DATA, "budget.batch_size")  # within one capacity; a batch may be a share of the data
DERIVED = (
    "shape", "model", "memorised_bits", "memorised_bits_after_first_token", "ceiling_bits",
    "bits_per_parameter", "data_bits_per_parameter",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class CapacityOfSize:
    """The capacity of one model in one format."""

    model: str  # "1x12, 4 heads"
    shape: str  # "1x12"
    num_heads: int | None  # None for a model without heads
    precision: str
    format: str  # precision and setting: "fp32, schedule linear"
    parameters: int
    runs: pl.DataFrame  # the longest run of each data set and seed
    plateau: Plateau | NoPlateau
    capacity_bits: float  # the plateau, or the most that one run stored without one
    bits_per_parameter: Estimate  # from these bits; no interval without a plateau
    seed_maxima_bits: tuple[float, ...]  # the most that a run of each seed memorised
    num_unconverged: int  # runs at or beyond capacity that had not converged
    budgets: Budgets | None  # None if no run has several budgets

    @property
    def name(self) -> str:
        """Model and format."""
        return f"{self.model}, {self.format}"

    @property
    def size(self) -> tuple[str, int]:
        """The identity that models with different heads share."""
        return self.shape, self.parameters

    @property
    def maximum_bits_per_parameter(self) -> float:
        """The most that any run memorised."""
        return self.plateau.maximum_bits / self.parameters

    @property
    def is_data_limited(self) -> bool:
        """Whether the largest data set holds hardly more bits than were stored."""
        return isinstance(self.plateau, NoPlateau) and self.plateau.is_data_limited

    @property
    def limit(self) -> Limit | None:
        """The bits of its best run at an unlimited budget; None if there is no estimate."""
        found = self.budgets and self.budgets.most.limit
        return found if isinstance(found, Limit) else None

    @property
    def doubts(self) -> list[str]:
        """Why the model may hold more; empty for a plateau of converged runs."""
        count = self.num_unconverged
        unconverged = f"{plural(count, 'run')} at or beyond capacity had not converged"
        no_plateau = [self.plateau.reason] if isinstance(self.plateau, NoPlateau) else []
        return [unconverged, *no_plateau] if count else no_plateau


@dataclass(frozen=True, kw_only=True, eq=False)
class Alpha:
    """Bits per parameter in one format, across model sizes."""

    format: str  # precision and setting
    precision: str
    slope: RandomEffectsMean | None  # in bits per parameter; None if no size has a plateau
    bits_per_parameter: Estimate  # the mean over sizes, or the best maximum without a plateau
    maximum_bits_per_parameter: float  # the most that any run memorised
    capacities: tuple[CapacityOfSize, ...]  # one per size, with the best heads (`best_of_heads`)
    fitted: tuple[CapacityOfSize, ...]  # those whose plateaus are in the mean
    has_chosen_heads: bool  # whether any size had several numbers of heads
    runs: pl.DataFrame  # every run behind the numbers

    @property
    def is_lower_bound(self) -> bool:
        """Whether runs at or beyond the capacity of any size had not converged."""
        return any(each.num_unconverged for each in self.capacities)

    @property
    def num_data_limited(self) -> int:
        """Number of sizes whose data sets were too small."""
        return sum(each.is_data_limited for each in self.capacities)


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """All results; ``runs`` is the table with its derived columns, in order."""

    runs: pl.DataFrame
    capacities: tuple[CapacityOfSize, ...]
    alphas: tuple[Alpha, ...]

    @property
    def longest(self) -> pl.DataFrame:
        """The runs on which the capacities are based."""
        return self.runs.filter("is_longest")

    @property
    def best(self) -> tuple[CapacityOfSize, ...]:
        """The capacity of every size and format, with the heads that hold most."""
        return tuple(each for alpha in self.alphas for each in alpha.capacities)


def study(table: pl.DataFrame, curves: Mapping[str, Curve]) -> Study:
    """Fit everything; raises ValueError for a table that is empty or mixes settings."""
    _check(table)
    order = [pl.col("precision.name").replace_strict([*PRECISIONS], range(len(PRECISIONS)))]
    names = ("setting", "size.num_layers", "size.width", "size.num_heads", "entropy_bits", "seed",
             "budget.max_steps", "run_id")  # fmt: skip
    runs = _with_format(derive(table, DERIVED))
    runs = runs.sort(*order, *(name for name in names if name in runs.columns))
    groups = runs.partition_by("format", "model", maintain_order=True)
    capacities = tuple(_capacity(group, curves) for group in groups)
    formats = dict.fromkeys(each.format for each in capacities)
    alphas = tuple(_alpha([each for each in capacities if each.format == one]) for one in formats)
    return Study(runs=runs, capacities=capacities, alphas=alphas)


def best_of_heads(capacities: Iterable[CapacityOfSize]) -> list[CapacityOfSize]:
    """Choose, among models of one shape and parameter count, that of the largest maximum.

    It takes the maximum over runs, because a plateau may be extrapolated from few runs.
    """
    of_size: dict[tuple[str, int], list[CapacityOfSize]] = {}
    for each in capacities:
        of_size.setdefault(each.size, []).append(each)
    return [max(same, key=lambda one: one.maximum_bits_per_parameter) for same in of_size.values()]


def _check(table: pl.DataFrame) -> None:
    if table.is_empty():
        raise ValueError("no finished run to report on")
    if table["run_id"].is_duplicated().any():
        raise ValueError(f"run {table.filter(pl.col('run_id').is_duplicated())['run_id'][0]} twice")
    if num_unknown := table["entropy_bits"].null_count():
        raise ValueError(
            f"entropy_bits is not known of {plural(num_unknown, 'run')}: capacity is measured on "
            "random data"
        )
    if unknown := sorted(set(table["precision.name"]) - set(PRECISIONS)):
        raise ValueError(f"precision.name={unknown[0]!r}: choose from {(*PRECISIONS,)}")


def _with_format(table: pl.DataFrame) -> pl.DataFrame:
    """Add columns ``point``, ``is_longest``, ``setting`` and ``format``.

    A shorter run takes the ``setting`` of its longest. If the ceiling of a task is unknown, its
    entropy bounds the bits that can be memorised.
    """
    runs = with_longest(table).with_columns(
        pl.coalesce("ceiling_bits", pl.col("entropy_bits").cast(pl.Float64)).alias("ceiling_bits")
    )
    longest = runs.filter("is_longest")
    # The number of sequences may follow from their length and vocabulary, which stay settings.
    of_task = [name for name in longest.columns if name.startswith("task.") and name != DATA]
    data = differing_settings(longest, of_task, at=MODEL)
    other = with_setting(longest, at=(*MODEL, DATA), apart_from=("task.",))
    words = [*data, pl.col("setting").replace("", None)]
    settings = other.select("point", setting=joined_words(words, ", ")).unique("point")
    both = pl.format("{}, {}", "precision.name", "setting")
    return runs.join(settings, on="point", how="left", maintain_order="left").with_columns(
        format=pl.when(pl.col("setting") == "").then("precision.name").otherwise(both)
    )


def _capacity(everything: pl.DataFrame, curves: Mapping[str, Curve]) -> CapacityOfSize:
    runs = everything.filter("is_longest")
    _refuse_mixture(runs, may_vary=BUDGET if runs.height < everything.height else ())
    first = runs.row(0, named=True)
    parameters = first["parameters"]
    plateau = fit_plateau(runs["ceiling_bits"].to_numpy(), runs["memorised_bits"].to_numpy())
    bits, interval = plateau.maximum_bits, None
    if isinstance(plateau, Plateau):
        bits, (low, high) = plateau.capacity_bits, plateau.interval_bits
        interval = low / parameters, high / parameters
    by_seed = runs.group_by("seed", maintain_order=True).agg(pl.max("memorised_bits"))
    is_beyond = pl.col("ceiling_bits") >= bits
    return CapacityOfSize(
        **{name: first[name] for name in ("model", "shape", "format", "parameters")},
        num_heads=first.get("size.num_heads"),
        precision=first["precision.name"],
        runs=runs,
        plateau=plateau,
        capacity_bits=bits,
        bits_per_parameter=Estimate.of(
            bits / parameters, interval, n=runs.height, method="Student's t of the plateau",
            why_none="no plateau",
        ),
        seed_maxima_bits=tuple(by_seed["memorised_bits"]),
        num_unconverged=runs.filter(is_beyond, ~pl.col("training.converged")).height,
        budgets=budgets_of(everything, curves),
    )  # fmt: skip


def _refuse_mixture(runs: pl.DataFrame, *, may_vary: tuple[str, ...]) -> None:
    for name in runs.columns:
        if name in (*MAY_VARY, *may_vary) or not name.startswith(SETTINGS):
            continue
        if runs[name].n_unique() > 1:
            values = ", ".join(str(value) for value in runs[name].unique(maintain_order=True)[:4])
            raise ValueError(
                f"{name} varies ({values}) among the runs of {runs['model'][0]} in "
                f"{runs['precision.name'][0]}: one capacity takes runs that differ only in "
                f"{', '.join(MAY_VARY)} and seed"
            )


def _alpha(capacities: list[CapacityOfSize]) -> Alpha:
    best = best_of_heads(capacities)
    most = max(each.maximum_bits_per_parameter for each in best)
    none = Estimate.of(most, None, n=1, method="maximum", why_none="no plateau")
    plateaus = [(each, each.plateau) for each in best if isinstance(each.plateau, Plateau)]
    slope = fit_slope([(each.parameters, found) for each, found in plateaus]) if plateaus else None
    return Alpha(
        format=best[0].format,
        precision=best[0].precision,
        slope=slope,
        bits_per_parameter=slope.mean if slope else none,
        maximum_bits_per_parameter=most,
        capacities=tuple(best),
        fitted=tuple(each for each, _ in plateaus),
        has_chosen_heads=len(best) < len(capacities),
        runs=pl.concat([each.runs for each in best]),
    )
