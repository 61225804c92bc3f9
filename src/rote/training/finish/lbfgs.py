"""Run L-BFGS in a diagonal metric, one evaluation at a time: it can stop and resume anywhere.

Sources: Byrd, Nocedal and Schnabel 1994, the compact form of the inverse (theorem 2.2), so that an
iteration is six products of matrix and vector instead of 4 M loops; Lewis and Overton 2013,
bisection to a step that fulfils the weak Wolfe conditions. Vectors are float64, because near a
minimum only differences of gradients carry information. Shapes: P parameters, M pairs remembered.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.linalg import solve_triangular
from torch import Tensor

ARMIJO, CURVATURE = 1e-4, 0.9  # the weak Wolfe conditions: Nocedal and Wright 2006, section 3.1
MOST_TRIES = 12  # evaluations of one line search: the step is then 1/2,048 of the first
SINGLE_VECTORS = 10  # vectors of length P besides the pairs: stored ones and temporary ones
FIRST_STEP = 0.01  # norm of a step along the bare gradient, whose length is unknown

# Names in a checkpoint, besides the search.
VECTORS = ("at_P", "metric_P", "gradient_P", "direction_P", "steps_MP", "turned_MP")
PRODUCTS = ("steps_by_changes_MM", "changes_by_turned_MM")
COUNTS = ("loss", "iterations", "stuck", "order")


@dataclass
class Search:
    """The current line search, with steps known to be too short and too long."""

    slope: float = 0.0  # of the loss along the direction, at its start
    step: float = 1.0
    low: float = 0.0
    high: float | None = None
    tries: int = 0


class Lbfgs:
    """A minimiser: the caller evaluates loss and gradient at `point` and passes them to `update`.

    ``metric`` is the diagonal first guess of the inverse Hessian, up to a factor. `stuck` means
    that no step lowers the loss any more.
    """

    def __init__(self, start_P: Tensor, metric_P: Tensor, *, memory: int) -> None:
        self.at_P = start_P.double()
        self.metric_P = metric_P.double()
        self.memory = memory
        self.loss: float | None = None  # at `at_P`; None before the first evaluation
        self.gradient_P = torch.zeros_like(self.at_P)
        self.direction_P = torch.zeros_like(self.at_P)
        self.search = Search()
        self.iterations = 0
        self.stuck = False
        self._forget()

    def _forget(self) -> None:
        """Forget all pairs: the next direction is the bare gradient."""
        self.steps_MP = self.at_P.new_zeros(self.memory, len(self.at_P))
        self.turned_MP = torch.zeros_like(self.steps_MP)  # metric times change of gradient
        self.steps_by_changes_MM = np.zeros((self.memory, self.memory))
        self.changes_by_turned_MM = np.zeros((self.memory, self.memory))
        self.order: list[int] = []  # rows in use, the oldest first

    @property
    def point(self) -> Tensor:
        """Return where loss and gradient are needed next, float64 [P]."""
        if self.loss is None:
            return self.at_P
        return torch.add(self.at_P, self.direction_P, alpha=self.search.step)

    @property
    def predicted_gain(self) -> float:
        """Return how far the quadratic model's minimum is below the loss, or infinity."""
        return -self.search.slope / 2 if self.order else float("inf")

    @property
    def gradient_norm(self) -> float:
        """Return the Euclidean norm of the gradient at the best point so far."""
        return float(torch.linalg.vector_norm(self.gradient_P))

    def update(self, loss: float, gradient_P: Tensor) -> None:
        """Take loss and gradient at `point`; a loss of NaN counts as too high."""
        gradient_P = gradient_P.double()
        if self.loss is None:
            self._accept(self.at_P, loss, gradient_P)
            return
        search = self.search
        search.tries += 1
        if not loss <= self.loss + ARMIJO * search.step * search.slope:
            search.high = search.step
        elif float(gradient_P @ self.direction_P) < CURVATURE * search.slope:
            search.low = search.step
            if search.tries >= MOST_TRIES:  # lower though not flat enough: better than nothing
                self._accept(self.point, loss, gradient_P)
                return
        else:
            self._accept(self.point, loss, gradient_P)
            return
        if search.tries >= MOST_TRIES:
            self._give_up()
        else:
            high = search.high
            search.step = 2 * search.low if high is None else (search.low + high) / 2

    def _give_up(self) -> None:
        """Try the bare gradient instead; if it was the bare gradient already, mark the end."""
        if not self.order:
            self.stuck = True
            return
        self._forget()
        self._aim()

    def _accept(self, point_P: Tensor, loss: float, gradient_P: Tensor) -> None:
        if self.loss is not None:
            self._remember(point_P - self.at_P, gradient_P - self.gradient_P)
            self.iterations += 1
        self.at_P, self.loss, self.gradient_P = point_P, loss, gradient_P
        self._aim()

    def _remember(self, step_P: Tensor, change_P: Tensor) -> None:
        """Replace the oldest pair by the newest one; a pair without curvature is left out."""
        if float(step_P @ change_P) <= 0:
            return
        row = len(self.order) if len(self.order) < self.memory else self.order.pop(0)
        self.order.append(row)
        self.steps_MP[row] = step_P
        self.turned_MP[row] = self.metric_P * change_P
        products_2M = torch.stack([self.steps_MP @ change_P, self.turned_MP @ change_P])
        self.steps_by_changes_MM[:, row], with_turned_M = products_2M.cpu().numpy()
        self.changes_by_turned_MM[:, row] = self.changes_by_turned_MM[row] = with_turned_M

    def _aim(self) -> None:
        """Choose the direction from here and a first step along it."""
        self.search = Search()
        self.direction_P = self._downhill()
        self.search.slope = float(self.gradient_P @ self.direction_P)
        if self.search.slope >= 0:  # rounding has spoilt the Hessian
            self._forget()
            self.direction_P = self._downhill()
            self.search.slope = float(self.gradient_P @ self.direction_P)

    def _downhill(self) -> Tensor:
        """Return minus the inverse Hessian times the gradient, from the compact form."""
        bare_P = self.metric_P * self.gradient_P
        if not self.order:
            norm = torch.linalg.vector_norm(bare_P).clamp(min=torch.finfo(torch.float64).tiny)
            return -bare_P * (FIRST_STEP / norm)
        inner = np.ix_(self.order, self.order)
        upper_MM = np.triu(self.steps_by_changes_MM[inner])
        grams_MM = self.changes_by_turned_MM[inner]
        factor = upper_MM[-1, -1] / grams_MM[-1, -1]  # Nocedal and Wright, equation 7.20
        products_2M = torch.stack(
            [self.steps_MP @ self.gradient_P, self.turned_MP @ self.gradient_P]
        )
        by_steps_M, by_turned_M = products_2M.cpu().numpy()[:, self.order]
        first_M = solve_triangular(upper_MM, by_steps_M)
        inner_M = np.diag(upper_MM) * first_M + factor * (grams_MM @ first_M - by_turned_M)
        second_M = solve_triangular(upper_MM, inner_M, trans="T")
        of_steps_M, of_turned_M = (self._on_all_rows(each) for each in (second_M, factor * first_M))
        return -(factor * bare_P + of_steps_M @ self.steps_MP - of_turned_M @ self.turned_MP)

    def _on_all_rows(self, values: np.ndarray) -> Tensor:
        """Return the values in the order of the rows, with 0 for unused rows."""
        whole = np.zeros(self.memory)
        whole[self.order] = values
        return torch.from_numpy(whole).to(self.at_P.device)

    def renew(self, metric_P: Tensor) -> None:
        """Change the metric: remembered pairs are converted, and a new search begins."""
        metric_P = metric_P.double()
        self.turned_MP *= metric_P / self.metric_P
        self.metric_P = metric_P
        changes_MP = self.turned_MP / metric_P
        self.changes_by_turned_MM = (changes_MP @ self.turned_MP.T).cpu().numpy()
        if self.loss is not None:
            self._aim()

    def restart(self, metric_P: Tensor) -> None:
        """Continue at the best point where the loss has become another; remembered pairs stay."""
        self.loss, self.stuck = None, False
        self.renew(metric_P)

    def state(self) -> dict[str, Any]:
        """Return all that `load` needs to resume exactly."""
        return {
            **{name: getattr(self, name) for name in (*VECTORS, *COUNTS)},
            **{name: torch.from_numpy(getattr(self, name).copy()) for name in PRODUCTS},
            "search": asdict(self.search),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state` returned, perhaps on another device."""
        for name in VECTORS:
            setattr(self, name, state[name].to(self.at_P.device))
        for name in PRODUCTS:
            setattr(self, name, state[name].cpu().numpy().copy())
        for name in COUNTS:
            setattr(self, name, state[name])
        self.search = Search(**state["search"])
