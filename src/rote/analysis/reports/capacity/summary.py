"""From runs to one capacity per model and format, and one mean per format.

A model is a size with a number of heads: heads are no parameters. A format is a precision, and
where a sweep varies something else besides, one setting of that. Of runs that differ in their
training budget alone the longest counts; the others tell what a longer one would give.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from rote.analysis.estimate import Estimate
from rote.analysis.fits.budget import Limit
from rote.analysis.fits.plateau import NoPlateau, Plateau, fit_plateau
from rote.analysis.fits.slope import Slope, fit_slope
from rote.analysis.quantities.capacity import capacity_quantities
from rote.analysis.quantities.settings import with_setting
from rote.analysis.reports.capacity.budgets import BUDGET, Budgets, budgets_of, with_longest
from rote.analysis.results import Curve

PRECISIONS = ("fp32", "tf32", "bf16_mixed", "bf16_true")  # the order in tables and legends
SETTINGS = ("task.", "model.", "size.", "optim.", "budget.", "measure.")  # what must not be mixed
DATA = "task.num_sequences"
MAY_VARY = (DATA, "budget.batch_size")  # within one capacity; a batch may be a share of the data


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What one model holds in one precision and setting."""

    model: str  # "1x12, 4 heads"
    shape: str  # "1x12"
    num_heads: int | None  # None for a model without
    precision: str
    setting: str  # what else tells runs of one data set apart, e.g. "schedule linear"; or ""
    parameters: int
    run_ids: tuple[str, ...]
    num_seeds: int
    plateau: Plateau | NoPlateau
    seed_spread_bits: float | None  # standard deviation of the maxima of the seeds; None for one
    num_unconverged: int  # runs at or beyond capacity that had not converged
    budgets: Budgets | None  # None where nothing was trained for several

    @property
    def format(self) -> str:
        """Precision and setting."""
        return told_format(self.precision, self.setting)

    @property
    def maximum_bits(self) -> float:
        """The most that any run memorised."""
        return self.plateau.maximum_bits

    @property
    def capacity_bits(self) -> float:
        """The plateau, or the maximum where none can be fitted."""
        if isinstance(self.plateau, Plateau):
            return self.plateau.capacity_bits
        return self.plateau.maximum_bits

    @property
    def bits_per_parameter(self) -> Estimate:
        """Of `capacity_bits`; no interval where no plateau can be fitted."""
        interval = None
        if isinstance(self.plateau, Plateau):
            low_bits, high_bits = self.plateau.interval_bits
            interval = low_bits / self.parameters, high_bits / self.parameters
        return Estimate.of(
            self.capacity_bits / self.parameters, interval, n=len(self.run_ids),
            method="Student's t of the plateau", why_none="no plateau",
        )  # fmt: skip

    @property
    def fall_exponent(self) -> float | None:
        """f where bits go as data^-f beyond the knee, 0 where too few data sets lie there."""
        return self.plateau.knee.fall if isinstance(self.plateau, Plateau) else None

    @property
    def is_data_limited(self) -> bool:
        """Whether the largest data set hardly holds more than was stored of it."""
        return isinstance(self.plateau, NoPlateau) and self.plateau.is_data_limited

    @property
    def limit(self) -> Limit | None:
        """The bits of its best run at an unlimited budget; None where that cannot be told."""
        found = self.budgets and self.budgets.best
        return found if isinstance(found, Limit) else None

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the model may hold more than this; none for a plateau of converged runs."""
        unconverged = f"{self.num_unconverged} run(s) at or beyond capacity had not converged"
        no_plateau = self.plateau.reason if isinstance(self.plateau, NoPlateau) else ""
        return tuple(filter(None, (unconverged if self.num_unconverged else "", no_plateau)))


@dataclass(frozen=True, kw_only=True)
class Alpha:
    """Bits per parameter in one precision and setting, across model sizes.

    Of each size with several numbers of heads it takes the best (`best_of_heads`).
    """

    precision: str
    setting: str
    slope: Slope | None  # None where no size has a plateau
    capacities: tuple[Capacity, ...]  # of every size in this format, with the best heads
    has_chosen_heads: bool  # whether any size had several
    run_ids: tuple[str, ...]  # every run behind the numbers above

    @property
    def format(self) -> str:
        """Precision and setting."""
        return told_format(self.precision, self.setting)

    @property
    def models(self) -> tuple[str, ...]:
        """Those whose plateaus are in the mean."""
        return tuple(each.model for each in self.capacities if isinstance(each.plateau, Plateau))

    @property
    def maximum_bits_per_parameter(self) -> float:
        """The best of all sizes, by the plain maximum."""
        return max(each.maximum_bits / each.parameters for each in self.capacities)

    @property
    def bits_per_parameter(self) -> Estimate:
        """The mean over sizes, or the best maximum where no size has a plateau."""
        if self.slope:
            return self.slope.bits_per_parameter
        return Estimate.of(
            self.maximum_bits_per_parameter, None, n=1, method="maximum", why_none="no plateau"
        )

    @property
    def is_lower_bound(self) -> bool:
        """Whether runs at or beyond the capacity of any size had not converged."""
        return any(each.num_unconverged for each in self.capacities)

    @property
    def num_data_limited(self) -> int:
        """Sizes whose data sets were too small."""
        return sum(each.is_data_limited for each in self.capacities)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All that a report says; ``runs`` is the table with its derived columns, in order."""

    runs: pl.DataFrame
    capacities: tuple[Capacity, ...]
    alphas: tuple[Alpha, ...]

    @property
    def longest(self) -> pl.DataFrame:
        """The runs that the capacities are of."""
        return self.runs.filter("is_longest")

    @property
    def best(self) -> tuple[Capacity, ...]:
        """Of every size and format the capacity with the heads that hold most."""
        chosen = {id(each) for alpha in self.alphas for each in alpha.capacities}
        return tuple(each for each in self.capacities if id(each) in chosen)

    def runs_of(self, capacity: Capacity) -> pl.DataFrame:
        """The runs behind one capacity."""
        return self.runs.filter(pl.col("run_id").is_in(capacity.run_ids))


def summarise(table: pl.DataFrame, curves: Mapping[str, Curve]) -> Summary:
    """Fit everything; raises ValueError for a table that is empty or mixes settings."""
    _check(table)
    runs = _with_setting(capacity_quantities(table)).sort(
        pl.col("precision.name").replace_strict(PRECISIONS, range(len(PRECISIONS))),
        "setting",
        "size.num_layers",
        "size.width",
        *(["size.num_heads"] if "size.num_heads" in table.columns else []),
        "entropy_bits",
        "seed",
        "budget.max_steps",
        "run_id",
    )
    groups = runs.partition_by("precision.name", "setting", "model", maintain_order=True)
    capacities = [_capacity(group, curves) for group in groups]
    formats = dict.fromkeys(each.format for each in capacities)
    alphas = tuple(_alpha([each for each in capacities if each.format == one]) for one in formats)
    return Summary(runs=runs, capacities=tuple(capacities), alphas=alphas)


def told_format(precision: str, setting: str) -> str:
    """In words; the precision comes first."""
    return f"{precision}, {setting}" if setting else precision


def best_of_heads(capacities: Iterable[Capacity]) -> list[Capacity]:
    """Of those with one shape and as many parameters the one of which a run memorised most.

    The maximum and not the plateau, which may be extrapolated from few runs.
    """
    best: dict[tuple[str, int], Capacity] = {}
    for each in capacities:
        size = (each.shape, each.parameters)
        if size not in best or each.maximum_bits > best[size].maximum_bits:
            best[size] = each
    return list(best.values())


def _check(table: pl.DataFrame) -> None:
    if table.is_empty():
        raise ValueError("no finished run to report on")
    if table["run_id"].is_duplicated().any():
        raise ValueError(f"run {table.filter(pl.col('run_id').is_duplicated())['run_id'][0]} twice")
    if num_unknown := table["entropy_bits"].null_count():
        raise ValueError(
            f"{num_unknown} run(s) have no known entropy_bits: capacity is measured on random data"
        )
    unknown = sorted(set(table["precision.name"]) - set(PRECISIONS))
    if unknown:
        raise ValueError(f"precision.name={unknown[0]!r}: choose from {PRECISIONS}")


def _with_setting(table: pl.DataFrame) -> pl.DataFrame:
    """Columns ``point``, ``is_longest`` and ``setting``, which a shorter run has of its longest.

    Where a task's ceiling is not known its entropy bounds what can be memorised.
    """
    runs = with_longest(table, apart_from=SETTINGS).with_columns(
        pl.coalesce("ceiling_bits", pl.col("entropy_bits").cast(pl.Float64)).alias("ceiling_bits")
    )
    longest = with_setting(runs.filter("is_longest"), at=("model", "precision.name", "seed", DATA))
    settings = longest.select("point", "setting").unique("point")
    return runs.join(settings, on="point", how="left", maintain_order="left")


def _capacity(everything: pl.DataFrame, curves: Mapping[str, Curve]) -> Capacity:
    runs = everything.filter("is_longest")
    _refuse_mixture(runs, may_vary=BUDGET if runs.height < everything.height else ())
    plateau = fit_plateau(runs["ceiling_bits"].to_numpy(), runs["memorised_bits"].to_numpy())
    level_bits = plateau.capacity_bits if isinstance(plateau, Plateau) else plateau.maximum_bits
    by_seed = runs.group_by("seed", maintain_order=True).agg(pl.col("memorised_bits").max())
    maxima_bits = by_seed["memorised_bits"].to_numpy()
    return Capacity(
        model=runs["model"][0],
        shape=runs["shape"][0],
        num_heads=runs["size.num_heads"][0] if "size.num_heads" in runs.columns else None,
        precision=runs["precision.name"][0],
        setting=runs["setting"][0],
        parameters=runs["parameters"][0],
        run_ids=tuple(runs["run_id"]),
        num_seeds=len(maxima_bits),
        plateau=plateau,
        seed_spread_bits=float(maxima_bits.std(ddof=1)) if len(maxima_bits) > 1 else None,
        num_unconverged=runs.filter(
            pl.col("ceiling_bits") >= level_bits, ~pl.col("training.converged")
        ).height,
        budgets=budgets_of(everything, curves),
    )


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


def _alpha(capacities: list[Capacity]) -> Alpha:
    best = best_of_heads(capacities)
    plateaus = [
        (each.parameters, each.plateau) for each in best if isinstance(each.plateau, Plateau)
    ]
    return Alpha(
        precision=best[0].precision,
        setting=best[0].setting,
        slope=fit_slope(plateaus) if plateaus else None,
        capacities=tuple(best),
        has_chosen_heads=len(best) < len(capacities),
        run_ids=tuple(run_id for each in best for run_id in each.run_ids),
    )
