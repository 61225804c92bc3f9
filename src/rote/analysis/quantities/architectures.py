"""Compare architectures of nearly equal parameters: bits memorised per parameter and per FLOP.

A point is one architecture at one size, over seeds. Runs that differ in anything else, as in their
number format, are points of their own and never pooled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import polars as pl

from rote.analysis.estimate import Estimate, extent
from rote.analysis.estimators import paired_difference
from rote.analysis.fits.plateau import DATA_LIMITED
from rote.analysis.quantities.points import DATA, OverSeeds, over_best_data, usable_runs
from rote.analysis.quantities.settings import with_setting
from rote.config.names import model_name

REFERENCE = "gpt"  # the architecture that others are compared with
LARGEST_RATIO = 1.25  # of parameters: architectures that lie further apart are not one comparison
GROUP = ("group", "architecture", "setting")
DERIVED = ("model", "memorised_bits", "ceiling_bits", "heldout_bits_per_token")
FORWARD_FLOPS_PER_PARAMETER = 2  # Kaplan et al. 2020 (arXiv 2001.08361), section 2.1


@dataclass(frozen=True, kw_only=True)
class Point(OverSeeds):
    """One architecture at one size, over the seeds of the data set of which most is memorised."""

    size: str  # in words, the parameters of all that are compared with it
    architecture: str  # file of conf/model
    active_parameters: int  # those that one token goes through
    total_parameters: int  # with frozen ones
    forward_flops: float  # of a token, without attention scores
    memorised_bits: Estimate
    per_parameter: Estimate
    per_active_parameter: Estimate
    per_flop: Estimate  # of a token forwards
    stored_share: float  # mean, of all that can be memorised of the data
    has_largest_data: bool  # of this point's data sets

    @property
    def name(self) -> str:
        """With what else distinguishes it from others of its architecture."""
        return self.named(self.architecture)

    @property
    def is_data_limited(self) -> bool:
        """Whether nearly all of its largest data set is stored, so that more might be."""
        return self.has_largest_data and self.stored_share > DATA_LIMITED

    @property
    def is_lower_bound(self) -> bool:
        """Whether longer training or more data might raise what is memorised."""
        return self.is_data_limited or not self.has_converged

    @property
    def is_above_guess(self) -> bool:
        """Whether the whole interval over seeds is above 0; one run: the value."""
        return self.memorised_bits.ends[0] > 0


class Verdict(Enum):
    """What a difference of two points says about what both can memorise."""

    MORE = "more"
    LESS = "less"
    ALIKE = "no difference beyond doubt"
    OPEN = "open, because the smaller one is a lower bound"


def verdict(gap: Estimate, one: Point, other: Point) -> Verdict:
    """Judge the first less the second: a smaller one that is a lower bound leaves it open."""
    if not gap.sign:
        return Verdict.ALIKE
    smaller, judged = (other, Verdict.MORE) if gap.sign > 0 else (one, Verdict.LESS)
    return Verdict.OPEN if smaller.is_lower_bound else judged


def difference_over_seeds(one: Point, other: Point, column: str) -> Estimate | None:
    """Estimate the first less the second by pairs of equal seed; None for no seed in common."""
    values = one.less(other, column)
    return paired_difference(values) if values else None


def reference_of(point: Point, points: Sequence[Point]) -> Point | None:
    """Return the `REFERENCE` of the same size and setting, or the only one of that size."""
    same_size = [
        each for each in points if each.architecture == REFERENCE and each.size == point.size
    ]
    same = [each for each in same_size if each.setting == point.setting]
    found = same or (same_size if len(same_size) == 1 else [])
    return found[0] if found and found[0] is not point else None


def difference_to_reference(point: Point, points: Sequence[Point]) -> Estimate | None:
    """Estimate bits per parameter less those of `reference_of` it, by pairs of equal seed.

    None without a reference, and for no seed in common.
    """
    reference = reference_of(point, points)
    return None if reference is None else difference_over_seeds(point, reference, "per_parameter")


def architecture_points(table: pl.DataFrame) -> tuple[pl.DataFrame, list[Point]]:
    """Return the runs with derived columns and the points, by size and then by what is memorised.

    Of several sizes of data set a point takes the one of which most is memorised on average. Raises
    ValueError where no run memorised data of known entropy.
    """
    runs = usable_runs(table, DERIVED, ("memorised_bits", "model._target_", DATA))
    names = {target: model_name(target) for target in runs["model._target_"].unique()}
    runs = _with_ratios(runs).with_columns(
        architecture=pl.col("model._target_").replace_strict(names, return_dtype=pl.String)
    )
    runs = with_setting(
        _grouped(runs), at=("group", "architecture", "seed", DATA), apart_from=("model._target_",)
    )
    points = [_point(part) for part in runs.partition_by(GROUP, maintain_order=True)]
    sizes = list(dict.fromkeys(each.size for each in points))
    return runs, sorted(
        points, key=lambda each: (sizes.index(each.size), -each.per_parameter.value)
    )


def _with_ratios(runs: pl.DataFrame) -> pl.DataFrame:
    """Records state these counts only where they are not the usual ones of P."""

    def recorded(name: str, usual: pl.Expr) -> pl.Expr:
        column = f"training.{name}"
        return pl.coalesce(column, usual) if column in runs.columns else usual

    parameters, bits = pl.col("parameters"), pl.col("memorised_bits")
    # Not all data have a ceiling; all have an entropy, which is a little more.
    ceiling = [name for name in ("ceiling_bits", "entropy_bits") if name in runs.columns]
    counted = runs.with_columns(
        total_parameters=recorded("total_parameters", parameters),
        active_parameters=recorded("active_parameters", parameters),
        forward_flops=recorded(
            "forward_flops_per_token", 1.0 * FORWARD_FLOPS_PER_PARAMETER * parameters
        ),
    )
    return counted.with_columns(
        per_parameter=bits / parameters,
        per_active_parameter=bits / pl.col("active_parameters"),
        per_flop=bits / pl.col("forward_flops"),
        stored_share=bits / pl.coalesce(ceiling),
    )


def _grouped(runs: pl.DataFrame) -> pl.DataFrame:
    """Add ``group``: sizes that are no further than `LARGEST_RATIO` above the smallest of them."""
    smallest, group_of = 0, {}
    for parameters in runs["parameters"].unique().sort():
        smallest = parameters if parameters > LARGEST_RATIO * smallest else smallest
        group_of[parameters] = smallest
    runs = runs.with_columns(group=pl.col("parameters").replace_strict(group_of))
    parts = runs.sort("group").partition_by("group", maintain_order=True)
    return pl.concat(
        part.with_columns(size=pl.lit(f"{extent(part['parameters'])} parameters")) for part in parts
    )


def _point(rows: pl.DataFrame) -> Point:
    common = over_best_data(
        rows, "memorised_bits",
        same=("size", "architecture", "setting", "model", "parameters", "forward_flops"),
        means=("memorised_bits", "per_parameter", "per_active_parameter", "per_flop"),
    )  # fmt: skip
    runs = common["runs"]
    return Point(
        **common,
        active_parameters=int(runs["active_parameters"][0]),
        total_parameters=int(runs["total_parameters"][0]),
        stored_share=float(runs["stored_share"].to_numpy().mean()),
        has_largest_data=common["num_sequences"] == rows[DATA].max(),
    )
