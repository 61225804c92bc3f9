"""Define a law: its inputs, its output, a curve with constants, and its fit to measured runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.analysis.estimate import Interval, band_of, interval_of
from rote.core.arrays import Floats

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
    "epochs": "passes over the training set",
    "repeats": "how often a sequence occurs in the training set",
    "suffix_token_p": "of training suffixes, p_z^(1 / suffix tokens)",
    "run": "number of the run, if it has several rows",
}
# A constant that the runs, or resampled runs, do not identify ends at a bound of its search. Values
# derived from it may exceed floats; they are then infinite or left out.
beyond_floats = np.errstate(over="ignore", invalid="ignore", divide="ignore")
CLUSTERS = ("parameters", "tokens", "unique_tokens", "flops")  # runs of equal ones: a cluster
RUN = "run"  # rows of one run are a cluster too, unless another kind is asked for


class RunSelection(Enum):
    """The runs of a sweep that a law uses; all rows of a user's own table are used.

    L(N, D) of Hoffmann et al. is about runs of one epoch, that of Kaplan et al. about runs that
    were stopped early: fitted to both kinds at once, either gives constants without a meaning.
    """

    ALL = "all runs"
    FRESH = "runs of one epoch, nearly"
    STOPPED = "runs that were stopped early"
    UNSPOILT = "runs of one epoch, nearly, and runs that were stopped early"
    BEST_OF_SIZE = "of each size, the run of one epoch with the lowest loss"
    BEST_OF_DATA = "of each training set, the run that was stopped early with the lowest loss"


class RunCount(Enum):
    """The parameters that are counted; a law has other constants in each of the two conventions."""

    TOTAL = "total"
    NON_EMBEDDING = "non-embedding"


@dataclass(frozen=True, kw_only=True)
class LawData:
    """Measured columns with one number per run, as `COLUMNS` defines them.

    Raises ValueError for an unknown column, for columns that differ in length, and for a number
    that is not finite or (except F1) not above 0, and for a probability of a token above 1.
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
            most = 1.0 if name == "suffix_token_p" else np.inf
            wrong = ~(np.isfinite(values) & (values >= least) & (values <= most))
            if wrong.any():
                row = int(wrong.argmax())
                raise ValueError(f"{name} of run {row + 1} is {values[row]:g}: no such measurement")

    def __getitem__(self, name: str) -> Floats:
        """Return a column; raises ValueError if it was not measured."""
        if name not in self.columns:
            raise ValueError(f"column {name!r} is needed ({COLUMNS[name]})")
        return self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self, chosen: NDArray[np.generic]) -> "LawData":
        """Return the runs of a mask or of indices, which may repeat."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return LawData(columns=columns, count=self.count)


class LawCurve(Protocol):
    """A law with its constants: a frozen dataclass of them."""

    @property
    def predict(self) -> Callable[..., Floats]:
        """A method that returns the law's output for inputs in the order of `FittedLaw.inputs`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A constant, or a value derived from constants; 95 % intervals, None if not computed."""

    name: str
    meaning: str
    value: float
    standard_error: float | None = None  # to first order
    profile_interval: Interval | None = None  # an end that no run bounds is 0 or inf
    bootstrap_interval: Interval | None = None

    @property
    def interval(self) -> Interval | None:
        """The interval by bootstrap, or else by profile."""
        return self.bootstrap_interval or self.profile_interval


@dataclass(frozen=True, kw_only=True)
class Goodness:
    """How well the curve fits the points."""

    num_points: int
    num_constants: int
    rms_log_residual: float  # residual of ln(output): 0.01 is one per cent
    largest_log_residual: float
    explained: float  # share of the variance of ln(output)
    objective: float  # what was minimised


@dataclass(frozen=True, kw_only=True)
class FittedLaw:
    """A fitted law, with its constants, intervals and warnings."""

    law: str
    formula: str
    method: str
    count: RunCount
    inputs: tuple[str, ...]
    output: str
    curve: LawCurve
    resampled: tuple[LawCurve, ...]  # bootstrap curves; failed refits are left out, with a warning
    constants: tuple[Constant, ...]
    derived: tuple[Constant, ...]
    goodness: Goodness
    warnings: tuple[str, ...]  # weakly identified constants, bounds reached, failed refits
    ranges: Mapping[str, Interval]  # range of each fitted input
    checks: tuple[str, ...] = ()  # how well runs that were held back are predicted

    @beyond_floats
    def predict(self, *inputs: ArrayLike) -> Floats:
        """Return the output, in the unit of `COLUMNS`, for the law's inputs in their order."""
        return self.curve.predict(*inputs)

    @beyond_floats
    def interval(self, *inputs: ArrayLike) -> tuple[Floats, Floats]:
        """Return the curve's 95 % interval, low and high; raises ValueError without resamples."""
        if not self.resampled:
            raise ValueError(f"law {self.law} was fitted without resamples: it has no intervals")
        return band_of([each.predict(*inputs) for each in self.resampled])


@dataclass(frozen=True, kw_only=True)
class FitEffort:
    """What is computed beside the best fit."""

    num_resamples: int = 1000
    profiles: bool = True
    seed: int = 0
    clusters: str = ""  # one of `CLUSTERS`, drawn as wholes; empty: each run alone


@dataclass(frozen=True, kw_only=True)
class Law:
    """All that `rote fit` needs to know about a law."""

    name: str
    formula: str
    source: str
    inputs: tuple[str, ...]
    output: str
    method: str
    curve: type  # a `LawCurve` whose constants have a `constant` each
    search: Callable[["Law", LawData, FitEffort], FittedLaw]  # ValueError if runs cannot fit it
    only: tuple[str, ...] = ()  # the constants that are fitted; empty means all
    optional: tuple[str, ...] = ()  # columns that are used if present
    is_clustered: bool = True  # intervals use `FitEffort.clusters`
    runs: RunSelection = RunSelection.ALL
    needs: tuple[str, ...] = ()  # instead of inputs and output, what `columns` returns
    published: Mapping[str, LawCurve] = field(default_factory=dict)  # by source, in its convention

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns without which the law cannot be fitted."""
        return self.needs or (*self.inputs, self.output)

    @property
    def constants(self) -> dict[str, Mapping[str, Any]]:
        """Meaning and bounds of the fitted constants, in order."""
        known = {each.name: each.metadata for each in fields(self.curve) if each.metadata}
        return {name: known[name] for name in self.only or known}

    @beyond_floats
    def fit(self, measured: LawData, effort: FitEffort) -> FittedLaw:
        """Fit the law; raises ValueError for a missing column, or runs that do not identify it."""
        for column in self.columns:
            measured[column]
        fitted = self.search(self, measured, effort)
        if self.is_clustered or not effort.clusters:
            return fitted
        kind = effort.clusters.replace("_", " ")
        unused = f"clusters of equal {kind} are not used: this law resamples in its own way"
        return replace(fitted, warnings=(*fitted.warnings, unused))

    def fitted(
        self,
        measured: LawData,
        curve: LawCurve,
        resampled: Sequence[LawCurve],
        errors_K: Sequence[float] | Floats,
        profiles_K2: Sequence[Interval] | None = None,
        *,
        num_constants: int = 0,  # those of the output alone; 0 means all
        objective: float | None = None,  # half the squared residuals of ln(output) if None
        **others: Any,
    ) -> FittedLaw:
        """Build a `FittedLaw` with constants, goodness and ranges; ``others`` are its other fields.

        An error that is not finite marks a constant that is not identified.
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
    """Build a `Constant` from a value of the curve; two or more resampled curves give quantiles."""
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
    """Return the warning about refits that did not converge."""
    if not number:
        return ()
    return (f"{number} of {of} resampled fits did not settle and are left out of the intervals",)
