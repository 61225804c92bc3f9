"""Define the arithmetic task in characters, after Barron and White 2025 (arXiv 2506.09099).

A line is a problem padded with spaces, ``<5+7=12>``, and a newline. The choice of held-out problems
is separate, so that operand ranges, operations and splits are axes of a sweep.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rote.tasks.arithmetic.problems import ArithmeticProblem, problems_of
from rote.tasks.arithmetic.splits import Split
from rote.tasks.lines import LineTask, Question


@dataclass(frozen=True, kw_only=True)
class Arithmetic(LineTask):
    """Every operation on every pair of operands; raises ValueError for an empty split.

    Lines, items and split are the same for every seed.
    """

    operations: Sequence[str]
    least_operand: int
    largest_operand: int
    modulus: int | None  # p: results are taken mod p; None: plain results
    split: Split

    def __post_init__(self) -> None:
        number, num_heldout = len(self._problems), len(self._heldout)
        if num_heldout == 0:
            raise ValueError(f"task.split holds out none of the {number:,} problems")
        if num_heldout == number:
            raise ValueError(
                f"task.split leaves nothing to train on: it holds out all {number:,} problems"
            )
        self.check()

    def questions(self, seed: int) -> Sequence[Question]:
        """Return every problem, in the order of operations and operands."""
        return [
            Question(
                before=one.before,
                answer=one.answer,
                group=one.operation,
                exposures=int(one not in self._heldout),
                bits=0.0,
            )
            for one in self._problems
        ]

    def texts(self) -> Iterable[str]:
        """Return all lines."""
        return (one.before + one.answer for one in self._problems)

    @cached_property
    def longest(self) -> int:
        """Return the length of the longest line: 8 for sums and differences of digits."""
        return max(map(len, self.texts()))

    @cached_property
    def _problems(self) -> list[ArithmeticProblem]:
        return problems_of(
            self.operations,
            least=self.least_operand,
            largest=self.largest_operand,
            modulus=self.modulus,
        )

    @cached_property
    def _heldout(self) -> set[ArithmeticProblem]:
        return set(self.split.heldout(self._problems))
