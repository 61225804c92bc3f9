"""What a law is: inputs, an output, a curve with constants put in, and a fit to measured runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.analysis.fits.level import ENDS, interval_of

Floats = NDArray[np.float64]
Interval = tuple[float, float]

COLUMNS = {
    "parameters": "of the model; with or without embeddings, as `Count` says",
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
CLUSTERS = ("parameters", "tokens", "unique_tokens", "flops")  # runs of equal ones: a cluster


EXPONENT = (1e-3, 10.0)  # bounds of every exponent


class Chosen(Enum):
    """Which runs of a sweep a law is about; rows of somebody's own table are all fitted."""

    ALL = "all runs"
    FRESH = "runs of one epoch, nearly"
    STOPPED = "runs that were stopped early"
    UNSPOILT = "runs of one epoch, nearly, and runs that were stopped early"
    BEST_OF_SIZE = "of each size, the run of one epoch with the lowest loss"
    BEST_OF_DATA = "of each training set, the run that was stopped early with the lowest loss"


class Count(Enum):
    """Which parameters are counted: laws of the two conventions have other constants."""

    TOTAL = "total"
    NON_EMBEDDING = "non-embedding"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number a run in every column, as `COLUMNS` has them.

    Raises ValueError for an unknown column, for columns that differ in length, and for a number
    that is not finite or, but for F1, not above 0.
    """

    columns: Mapping[str, Floats]
    count: Count

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

    def rows(self, chosen: NDArray[np.generic]) -> "Measured":
        """The runs of a mask, or of indices; one may come twice."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Measured(columns=columns, count=self.count)


def constant(meaning: str, *bounds: float, default: Any = MISSING) -> Any:
    """A constant of a curve; ``bounds`` are the least and the greatest value that is tried."""
    return field(default=default, metadata={"meaning": meaning, "bounds": bounds})


def meanings_of(curve: type) -> dict[str, str]:
    """Of each constant, in order; those with a default are left out."""
    return {
        each.name: each.metadata["meaning"] for each in fields(curve) if each.default is MISSING
    }


class Curve(Protocol):
    """A law with constants put in: a frozen dataclass of them."""

    @property
    def predict(self) -> Callable[..., Floats]:
        """A method: the law's output, for its inputs in the order of `Fitted.inputs`."""
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
class Fitted:
    """A fitted law."""

    law: str
    formula: str
    method: str
    count: Count
    inputs: tuple[str, ...]
    output: str
    curve: Curve
    resampled: tuple[Curve, ...]  # the bootstrap's; refits that failed are left out and told of
    constants: tuple[Constant, ...]
    derived: tuple[Constant, ...]
    goodness: Goodness
    warnings: tuple[str, ...]  # weakly identified constants, bounds reached, failed refits
    ranges: Mapping[str, Interval]  # of the inputs that were fitted

    def predict(self, *inputs: ArrayLike) -> Floats:
        """The output, in the unit that `COLUMNS` gives it, for the law's inputs in their order."""
        return self.curve.predict(*inputs)

    def interval(self, *inputs: ArrayLike) -> tuple[Floats, Floats]:
        """95 %, low and high, of the curve; raises ValueError where nothing was resampled."""
        if not self.resampled:
            raise ValueError(f"law {self.law} was fitted without resamples: it has no intervals")
        low, high = np.quantile([each.predict(*inputs) for each in self.resampled], ENDS, axis=0)
        return low, high


@dataclass(frozen=True, kw_only=True)
class Effort:
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
    meanings: Mapping[str, str]  # of the constants, by name, in order
    search: Callable[["Law", Measured, Effort], Fitted]  # ValueError where runs cannot tell it
    optional: tuple[str, ...] = ()  # columns that are used where they are there
    runs: Chosen = Chosen.ALL
    needs: tuple[str, ...] = ()  # columns to fit; none stands for inputs and output
    published: Mapping[str, Curve] = field(default_factory=dict)  # by source, in its convention

    def fit(self, measured: Measured, effort: Effort) -> Fitted:
        """Raises ValueError for a missing column, and for runs that cannot tell the law."""
        for column in self.needs or (*self.inputs, self.output):
            measured[column]
        return self.search(self, measured, effort)

    def constants(
        self,
        curve: Curve,
        resampled: Sequence[Curve],
        errors_K: Floats,
        profiles_K2: Floats | None = None,
    ) -> tuple[Constant, ...]:
        """In order; an error that is not finite is of a constant that is not identified."""
        found = []
        for k, (name, meaning) in enumerate(self.meanings.items()):
            low_high = None if profiles_K2 is None else profiles_K2[k].tolist()
            found.append(
                Constant(
                    name=name,
                    meaning=meaning,
                    value=getattr(curve, name),
                    standard_error=finite(errors_K[k]),
                    profile_interval=low_high and (low_high[0], low_high[1]),
                    bootstrap_interval=quantiles([getattr(each, name) for each in resampled]),
                )
            )
        return tuple(found)

    def fitted(
        self,
        measured: Measured,
        *,
        num_constants: int = 0,  # of the output alone, where not all of them
        objective: float | None = None,  # half the squared residuals of ln(output) if None
        **found: Any,
    ) -> Fitted:
        """With goodness and ranges; ``found`` are the other fields of `Fitted`."""
        columns = [measured[name] for name in self.inputs]
        observed = np.log(measured[self.output])
        residuals = observed - np.log(found["curve"].predict(*columns))
        squares = float((residuals**2).sum())
        variance = float(((observed - observed.mean()) ** 2).sum())
        return Fitted(
            law=self.name,
            formula=self.formula,
            count=measured.count,
            inputs=self.inputs,
            output=self.output,
            goodness=Goodness(
                num_points=len(observed),
                num_constants=num_constants or len(self.meanings),
                rms_log_residual=float(np.sqrt(squares / len(observed))),
                largest_log_residual=float(np.abs(residuals).max()),
                explained=1 - squares / variance if variance > 0 else 0.0,
                objective=squares / 2 if objective is None else objective,
            ),
            ranges={
                name: (float(each.min()), float(each.max()))
                for name, each in zip(self.inputs, columns, strict=True)
            },
            **{"method": self.method, "derived": (), **found},
        )


def quantiles(values: Sequence[float]) -> Interval | None:
    """95 %; None for too few values to have any."""
    return interval_of(values) if len(values) > 1 else None


def finite(value: float) -> float | None:
    """None for one that is not."""
    return float(value) if np.isfinite(value) else None


def failed(number: int, of: int) -> tuple[str, ...]:
    """The warning about refits that did not settle."""
    if not number:
        return ()
    return (f"{number} of {of} resampled fits did not settle and are left out of the intervals",)
