"""Choose which problems are held out, from the problems and the split's own seed alone."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from rote.core.checks import require_choice, require_whole
from rote.core.rng import stream_seed
from rote.tasks.arithmetic.problems import ArithmeticProblem

PRINTED = {(5, "add", 7), (7, "add", 5), (5, "subtract", 7), (7, "subtract", 5)}
UNITS = ("pair", "problem")
PLACES = {"first": (0,), "second": (1,), "either": (0, 1)}


class Split(Protocol):
    """A choice of conf/task/split."""

    def heldout(self, problems: Sequence[ArithmeticProblem]) -> Collection[ArithmeticProblem]:
        """Return the problems that no model is trained on."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """The four that Barron and White 2025 (arXiv 2506.09099) print: 5+7, 7+5, 5-7 and 7-5."""

    def heldout(self, problems: Sequence[ArithmeticProblem]) -> Collection[ArithmeticProblem]:
        """Return those of the four that are among the problems."""
        return {one for one in problems if (one.first, one.operation, one.second) in PRINTED}


@dataclass(frozen=True, kw_only=True)
class Randomly:
    """A fraction, drawn from ``seed``; raises ValueError.

    By ``pair``: unordered pairs of operands with all their problems, as the original holds out {5,
    7}, because 7+5 gives 5+7 away. By ``problem``: 7+5 may be in training while 5+7 is held out.
    """

    fraction: float
    by: str
    seed: int  # of the split: the run's seed does not change it

    def __post_init__(self) -> None:
        require_whole("task.split.seed", self.seed, 0)
        if not (isinstance(self.fraction, int | float) and 0 < self.fraction < 1):
            raise ValueError(
                f"task.split.fraction must be between 0 and 1, neither included, "
                f"got {self.fraction!r}"
            )
        require_choice("task.split.by", self.by, UNITS)

    def heldout(self, problems: Sequence[ArithmeticProblem]) -> Collection[ArithmeticProblem]:
        """Return the fraction, rounded, of pairs or of problems."""
        units = list(dict.fromkeys(map(self._unit, problems)))
        Random(stream_seed(self.seed, "split")).shuffle(units)
        drawn = set(units[: round(self.fraction * len(units))])
        return {one for one in problems if self._unit(one) in drawn}

    def _unit(self, problem: ArithmeticProblem) -> Hashable:
        pair = (problem.first, problem.second)
        return tuple(sorted(pair)) if self.by == "pair" else problem


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A digit that training never shows at one place of an operand; raises ValueError."""

    digit: int
    place: int  # 0: units, 1: tens; an operand without that place has no digit there
    operand: str  # first, second or either

    def __post_init__(self) -> None:
        require_whole("task.split.digit", self.digit, 0, 9)
        require_whole("task.split.place", self.place, 0)
        require_choice("task.split.operand", self.operand, PLACES)

    def heldout(self, problems: Sequence[ArithmeticProblem]) -> Collection[ArithmeticProblem]:
        """Return all problems that show the digit there."""
        return {one for one in problems if self._shows(one)}

    def _shows(self, problem: ArithmeticProblem) -> bool:
        operands = (str(problem.first), str(problem.second))
        digits = (operands[which][::-1][self.place :][:1] for which in PLACES[self.operand])
        return str(self.digit) in digits


@dataclass(frozen=True, kw_only=True)
class Length:
    """Operands with more digits than any in training; raises ValueError."""

    trained_digits: int

    def __post_init__(self) -> None:
        require_whole("task.split.trained_digits", self.trained_digits, 1)

    def heldout(self, problems: Sequence[ArithmeticProblem]) -> Collection[ArithmeticProblem]:
        """Return all problems with a longer operand."""
        least = 10**self.trained_digits
        return {one for one in problems if max(one.first, one.second) >= least}
