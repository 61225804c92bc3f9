"""From runs to one capacity per model size and format, and one slope per format.

A format is a precision, and where a sweep varies something else besides, one setting of that.
"""

from dataclasses import dataclass

import polars as pl

from rote.analysis.fits.plateau import NoPlateau, Plateau, fit_plateau
from rote.analysis.fits.slope import Slope, fit_slope, fit_slope_with_intercept, points_of
from rote.analysis.quantities.capacity import capacity_quantities
from rote.analysis.quantities.settings import with_setting

PRECISIONS = ("fp32", "tf32", "bf16_mixed", "bf16_true")  # the order in tables and legends
SETTINGS = ("task.", "model.", "size.", "optim.", "budget.", "measure.")  # what must not be mixed
MAY_VARY = "task.num_sequences"


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What one model size holds in one precision and setting."""

    model: str
    precision: str
    setting: str  # what else tells runs of one data set apart, e.g. "schedule linear"; or ""
    parameters: int
    run_ids: tuple[str, ...]
    num_seeds: int
    plateau: Plateau | NoPlateau
    seed_spread_bits: float | None  # standard deviation of the maxima of the seeds; None for one
    num_unconverged: int  # runs at or beyond capacity that were still growing

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
    def bits_per_parameter(self) -> float:
        """Of `capacity_bits`."""
        return self.capacity_bits / self.parameters

    @property
    def interval_bits_per_parameter(self) -> tuple[float, float] | None:
        """95 %; None where no plateau can be fitted."""
        if not isinstance(self.plateau, Plateau):
            return None
        low_bits, high_bits = self.plateau.interval_bits
        return low_bits / self.parameters, high_bits / self.parameters

    @property
    def lower_bound_reason(self) -> str | None:
        """Why this is only a lower bound; None for a plateau of converged runs."""
        if isinstance(self.plateau, NoPlateau):
            return self.plateau.reason
        if self.num_unconverged:
            return f"{self.num_unconverged} run(s) at or beyond capacity had not converged"
        return None


@dataclass(frozen=True, kw_only=True)
class Alpha:
    """Bits per parameter in one precision and setting, across model sizes."""

    precision: str
    setting: str
    slope: Slope | None  # None where no size has a plateau
    slope_with_intercept: Slope | None  # None below three sizes with a plateau
    maximum_bits_per_parameter: float  # the best of all sizes, by the plain maximum
    models: tuple[str, ...]  # those whose plateaus are in the slope
    num_sizes: int  # in this format
    num_lower_bounds: int  # of those sizes
    run_ids: tuple[str, ...]  # every run behind the numbers above

    @property
    def format(self) -> str:
        """Precision and setting."""
        return told_format(self.precision, self.setting)

    @property
    def bits_per_parameter(self) -> float:
        """The slope, or the best maximum where there is none."""
        return self.slope.bits_per_parameter if self.slope else self.maximum_bits_per_parameter

    @property
    def is_lower_bound(self) -> bool:
        """Whether any size behind it is only bounded from below."""
        return self.slope is None or self.num_lower_bounds > 0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All that a report says; ``runs`` is the table with its derived columns, in order."""

    runs: pl.DataFrame
    capacities: tuple[Capacity, ...]
    alphas: tuple[Alpha, ...]

    def runs_of(self, capacity: Capacity) -> pl.DataFrame:
        """The runs behind one capacity."""
        return self.runs.filter(pl.col("run_id").is_in(capacity.run_ids))


def summarise(table: pl.DataFrame) -> Summary:
    """Fit everything; raises ValueError for a table that is empty or mixes settings."""
    _check(table)
    told = with_setting(
        capacity_quantities(table), at=("model", "precision.name", "seed", MAY_VARY)
    )
    runs = told.sort(
        pl.col("precision.name").replace_strict(PRECISIONS, range(len(PRECISIONS))),
        "setting",
        "size.num_layers",
        "size.width",
        "entropy_bits",
        "seed",
        "run_id",
    )
    groups = runs.partition_by("precision.name", "setting", "model", maintain_order=True)
    capacities = tuple(_capacity(group) for group in groups)
    formats = dict.fromkeys(each.format for each in capacities)
    alphas = tuple(_alpha([each for each in capacities if each.format == one]) for one in formats)
    return Summary(runs=runs, capacities=capacities, alphas=alphas)


def told_format(precision: str, setting: str) -> str:
    """In words; the precision comes first."""
    return f"{precision}, {setting}" if setting else precision


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


def _capacity(runs: pl.DataFrame) -> Capacity:
    _refuse_mixture(runs)
    plateau = fit_plateau(runs["entropy_bits"].to_numpy(), runs["memorised_bits"].to_numpy())
    level_bits = plateau.capacity_bits if isinstance(plateau, Plateau) else plateau.maximum_bits
    by_seed = runs.group_by("seed", maintain_order=True).agg(pl.col("memorised_bits").max())
    maxima_bits = by_seed["memorised_bits"].to_numpy()
    return Capacity(
        model=runs["model"][0],
        precision=runs["precision.name"][0],
        setting=runs["setting"][0],
        parameters=runs["parameters"][0],
        run_ids=tuple(runs["run_id"]),
        num_seeds=len(maxima_bits),
        plateau=plateau,
        seed_spread_bits=float(maxima_bits.std(ddof=1)) if len(maxima_bits) > 1 else None,
        num_unconverged=runs.filter(
            pl.col("entropy_bits") >= level_bits, ~pl.col("training.converged")
        ).height,
    )


def _refuse_mixture(runs: pl.DataFrame) -> None:
    for name in runs.columns:
        if name.startswith(SETTINGS) and name != MAY_VARY and runs[name].n_unique() > 1:
            values = ", ".join(str(value) for value in runs[name].unique(maintain_order=True)[:4])
            raise ValueError(
                f"{name} varies ({values}) among the runs of {runs['model'][0]} in "
                f"{runs['precision.name'][0]}: one capacity takes runs that differ only in "
                f"{MAY_VARY} and seed"
            )


def _alpha(capacities: list[Capacity]) -> Alpha:
    fitted = [each for each in capacities if isinstance(each.plateau, Plateau)]
    slope, slope_with_intercept = _slopes(fitted) if fitted else (None, None)
    return Alpha(
        precision=capacities[0].precision,
        setting=capacities[0].setting,
        slope=slope,
        slope_with_intercept=slope_with_intercept,
        maximum_bits_per_parameter=max(each.maximum_bits / each.parameters for each in capacities),
        models=tuple(each.model for each in fitted),
        num_sizes=len(capacities),
        num_lower_bounds=sum(each.lower_bound_reason is not None for each in capacities),
        run_ids=tuple(run_id for each in capacities for run_id in each.run_ids),
    )


def _slopes(fitted: list[Capacity]) -> tuple[Slope, Slope | None]:
    points, degrees = points_of(
        [(each.parameters, each.plateau) for each in fitted if isinstance(each.plateau, Plateau)]
    )
    slope = fit_slope(points, degrees_of_freedom=degrees)
    if len({point.parameters for point in points}) < 3:
        return slope, None
    return slope, fit_slope_with_intercept(points, degrees_of_freedom=degrees)
