"""Generate all two-operand problems of a range of operands and some operations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from operator import add, mul, sub

from rote.core.checks import require_choice, require_distinct, require_whole

OPERATIONS: dict[str, tuple[str, Callable[[int, int], int]]] = {
    "add": ("+", add),
    "subtract": ("-", sub),
    "multiply": ("*", mul),
}
MAX_PROBLEMS = 1 << 18  # they are held as text, one by one


@dataclass(frozen=True)
class ArithmeticProblem:
    """A problem written as ``<a+b=c>``, like in Barron and White 2025 (arXiv 2506.09099)."""

    first: int
    operation: str
    second: int
    result: int

    @property
    def before(self) -> str:
        """Return the given part."""
        return f"<{self.first}{OPERATIONS[self.operation][0]}{self.second}="

    @property
    def answer(self) -> str:
        """Return the answer with its end mark: without it, 1 would be the beginning of 12."""
        return f"{self.result}>"


def problems_of(
    operations: Sequence[str], *, least: int, largest: int, modulus: int | None
) -> list[ArithmeticProblem]:
    """Return every operation on every pair of operands, in that order; raises ValueError."""
    require_whole("task.least_operand", least, 0)
    require_whole("task.largest_operand", largest, 0)
    if least > largest:
        raise ValueError(
            f"no problems: task.least_operand={least} is above task.largest_operand={largest}"
        )
    require_distinct("task.operations", operations)
    for name in operations:
        require_choice("each of task.operations", name, OPERATIONS)
    if modulus is not None:
        require_whole("task.modulus", modulus, 2)
    if (number := len(operations) * (largest - least + 1) ** 2) > MAX_PROBLEMS:
        raise ValueError(
            f"task.largest_operand={largest} makes {number:,} problems, {MAX_PROBLEMS:,} at most"
        )
    problems = []
    operands = range(least, largest + 1)
    for name, first, second in product(operations, operands, operands):
        result = OPERATIONS[name][1](first, second)
        reduced = result if modulus is None else result % modulus
        problems.append(ArithmeticProblem(first, name, second, reduced))
    return problems
