"""What a law is: inputs, an output, a curve with constants put in, and a fit to measured runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.analysis.estimate import band_of, interval_of

Floats = NDArray[np.float64]
Interval = tuple[float, float]

COLUMNS = {
    "parameters": "of the model; with or without embeddings, as `RunCount` says",
    "tokens": "seen in training, repeats counted",
    "unique_tokens": "of the training set",
    "steps": "optimiser steps",
    "batch_tokens": "tokens a step",
    "flops": "of training",
    "loss_nats": "held-out, per token",
    "samples": "training sequences, |D|",
    "f1": "of membership inference, at equal errors in runs of ours, from 0 to 1",
    "data_bits": "of the training set: all that can be memorised of it",
    "memorised_bits": "of the training set",
}
# A constant that runs, or resampled ones, do not identify ends at a bound of its search: what
# follows from it may be beyond floats, and is then infinite or left out.
beyond_floats = np.errstate(over="ignore", invalid="ignore", divide="ignore")
CLUSTERS = ("parameters", "tokens", "unique_tokens", "flops")  # runs of equal ones: a cluster


class RunSelection(Enum):
    """Which runs of a sweep a law is about; rows of somebody's own table are all fitted."""

    ALL = "all runs"
    FRESH = "runs of one epoch, nearly"
    STOPPED = "runs that were stopped early"
    UNSPOILT = "runs of one epoch, nearly, and runs that were stopped early"
    BEST_OF_SIZE = "of each size, the run of one epoch with the lowest loss"
    BEST_OF_DATA = "of each training set, the run that was stopped early with the lowest loss"


class RunCount(Enum):
    """Which parameters are counted: laws of the two conventions have other constants."""

    TOTAL = "total"
    NON_EMBEDDING = "non-embedding"


@dataclass(frozen=True, kw_only=True)
class LawData:
    """One number a run in every column, as `COLUMNS` has them.

    Raises ValueError for an unknown column, for columns that differ in length, and for a number
    that is not finite or, but for F1, not above 0.
    """

    columns: Mapping[str, Floats]
    count: RunCount

    def __post_init__(self) -> None:
        if unknown := set(self.columns) - set(COLUMNS):
            raise ValueError(f"unknown column {min(unknown)!r}; there are {', '.join(COLUMNS)}")
        if len({values.shape for values in self.columns.values()}) > 1:
            raise ValueError("columns differ in length")
        for name, values in self.columns.items():
            least = 0.0 if name == "f1" else np.nextafter(0, 1)
            wrong = ~(np.isfinite(values) & (values >= least))
            if wrong.any():
                row = int(wrong.argmax())
                raise ValueError(f"{name} of run {row + 1} is {values[row]:g}: no such measurement")

    def __getitem__(self, name: str) -> Floats:
        """Raises ValueError for a column that was not measured."""
        if name not in self.columns:
            raise ValueError(f"column {name!r} is needed ({COLUMNS[name]})")
        return self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self, chosen: NDArray[np.generic]) -> "LawData":
        """The runs of a mask, or of indices; one may come twice."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return LawData(columns=columns, count=self.count)


class LawCurve(Protocol):
    """A law with constants put in: a frozen dataclass of them."""

    @property
    def predict(self) -> Callable[..., Floats]:
        """A method: the law's output, for its inputs in the order of `FittedLaw.inputs`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One constant, or what follows from them; intervals are 95 %, None where not computed."""

    name: str
    meaning: str
    value: float
    standard_error: float | None = None  # to first order
    profile_interval: Interval | None = None  # an end that no run bounds is 0 or inf
    bootstrap_interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Goodness:
    """How well the curve goes through the points."""

    num_points: int
    num_constants: int
    rms_log_residual: float  # of ln(output): 0.01 is one per cent
    largest_log_residual: float
    explained: float  # share of the variance of ln(output)
    objective: float  # what was minimised


@dataclass(frozen=True, kw_only=True)
class FittedLaw:
    """A fitted law."""

    law: str
    formula: str
    method: str
    count: RunCount
    inputs: tuple[str, ...]
    output: str
    curve: LawCurve
    resampled: tuple[LawCurve, ...]  # the bootstrap's; refits that failed are left out and told of
    constants: tuple[Constant, ...]
    derived: tuple[Constant, ...]
    goodness: Goodness
    warnings: tuple[str, ...]  # weakly identified constants, bounds reached, failed refits
    ranges: Mapping[str, Interval]  # of the inputs that were fitted

    @beyond_floats
    def predict(self, *inputs: ArrayLike) -> Floats:
        """The output, in the unit that `COLUMNS` gives it, for the law's inputs in their order."""
        return self.curve.predict(*inputs)

    @beyond_floats
    def interval(self, *inputs: ArrayLike) -> tuple[Floats, Floats]:
        """95 %, low and high, of the curve; raises ValueError where nothing was resampled."""
        if not self.resampled:
            raise ValueError(f"law {self.law} was fitted without resamples: it has no intervals")
        return band_of([each.predict(*inputs) for each in self.resampled])


@dataclass(frozen=True, kw_only=True)
class FitEffort:
    """How much is computed beside the best fit."""

    num_resamples: int = 1000
    profiles: bool = True
    seed: int = 0
    clusters: str = ""  # one of `CLUSTERS`: runs of equal ones are drawn together; else each alone


@dataclass(frozen=True, kw_only=True)
class Law:
    """What `rote fit` needs to know of a law."""

    name: str
    formula: str
    source: str
    inputs: tuple[str, ...]
    output: str
    method: str
    curve: type  # a `LawCurve` whose constants have a `constant` each
    search: Callable[["Law", LawData, FitEffort], FittedLaw]  # ValueError where runs cannot tell it
    only: tuple[str, ...] = ()  # the constants that are fitted; none stands for all
    optional: tuple[str, ...] = ()  # columns that are used where they are there
    runs: RunSelection = RunSelection.ALL
    needs: tuple[str, ...] = ()  # columns to fit; none stands for inputs and output
    published: Mapping[str, LawCurve] = field(default_factory=dict)  # by source, in its convention

    @property
    def constants(self) -> dict[str, Mapping[str, Any]]:
        """Meaning and bounds of those that are fitted, in order."""
        known = {each.name: each.metadata for each in fields(self.curve) if each.metadata}
        return {name: known[name] for name in self.only or known}

    @beyond_floats
    def fit(self, measured: LawData, effort: FitEffort) -> FittedLaw:
        """Raises ValueError for a missing column, and for runs that cannot tell the law."""
        for column in self.needs or (*self.inputs, self.output):
            measured[column]
        return self.search(self, measured, effort)

    def fitted(
        self,
        measured: LawData,
        curve: LawCurve,
        resampled: Sequence[LawCurve],
        errors_K: Sequence[float] | Floats,
        profiles_K2: Sequence[Interval] | None = None,
        *,
        num_constants: int = 0,  # of the output alone, where not all of them
        objective: float | None = None,  # half the squared residuals of ln(output) if None
        **others: Any,
    ) -> FittedLaw:
        """With constants, goodness and ranges; ``others`` are the other fields of `FittedLaw`.

        An error that is not finite is one of a constant that is not identified.
        """
        columns = {name: measured[name] for name in self.inputs}
        observed = np.log(measured[self.output])
        residuals = observed - np.log(curve.predict(*columns.values()))
        squares = float((residuals**2).sum())
        variance = float(((observed - observed.mean()) ** 2).sum())
        return FittedLaw(
            law=self.name,
            formula=self.formula,
            count=measured.count,
            inputs=self.inputs,
            output=self.output,
            curve=curve,
            resampled=tuple(resampled),
            constants=tuple(
                described(
                    name, known["meaning"], attrgetter(name), curve, resampled, errors_K[k],
                    profile_interval=profiles_K2 and profiles_K2[k],
                )
                for k, (name, known) in enumerate(self.constants.items())
            ),
            goodness=Goodness(
                num_points=len(observed),
                num_constants=num_constants or len(self.constants),
                rms_log_residual=float(np.sqrt(squares / len(observed))),
                largest_log_residual=float(np.abs(residuals).max()),
                explained=1 - squares / variance if variance > 0 else 0.0,
                objective=squares / 2 if objective is None else objective,
            ),
            ranges={name: (float(x.min()), float(x.max())) for name, x in columns.items()},
            **{"method": self.method, "derived": (), **others},
        )  # fmt: skip


def described(
    name: str,
    meaning: str,
    value: Callable[[Any], float],
    curve: LawCurve,
    resampled: Sequence[LawCurve],
    error: float,
    **others: Any,
) -> Constant:
    """A value of the curve, with the quantiles of two resampled ones or more."""
    draws = [value(each) for each in resampled]
    return Constant(
        name=name,
        meaning=meaning,
        value=value(curve),
        standard_error=float(error) if np.isfinite(error) else None,
        bootstrap_interval=interval_of(draws) if len(draws) > 1 else None,
        **others,
    )


def failed(number: int, of: int) -> tuple[str, ...]:
    """The warning about refits that did not settle."""
    if not number:
        return ()
    return (f"{number} of {of} resampled fits did not settle and are left out of the intervals",)
