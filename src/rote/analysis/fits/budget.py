"""Extrapolate memorised bits to an unlimited training budget, from runs of several budgets.

    B(T) = B_inf - a T^-b        a >= 0

T counts steps or evaluations. Each curve (a data set and a seed) has its own B_inf and a; all
curves share b and, relative to their largest value, the noise. One curve of three budgets has three
unknowns, so nothing is left to estimate the noise: it gets no interval and no B_inf.

The interval of B_inf holds every value that an F test does not reject against the best fit, with b
and all other unknowns refitted for each value. b is sought between 1/16 and 4. If the test does not
reject b = 1/16, unlimited growth is possible too, and no limit is reported. In simulations (b of
1/4 to 1, noise of 0.1 to 0.6 %) 0 to 4 % of the curves get an interval that misses their B_inf if
there are five curves of three or four budgets, and up to 9 % with two degrees of freedom. Few very
noisy curves get an interval, but a larger share of these intervals miss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from scipy.stats import f as f_distribution

from rote.analysis.estimate import LEVEL
from rote.analysis.fits.search import NoFit
from rote.core.arrays import Floats

FEWEST_BUDGETS = 3  # needed for a curve
SLOWEST, FASTEST = 1 / 16, 4.0  # exponents; at 1/16 a doubling gains 0.96 of what the last did
FEWEST_DEGREES = 2  # degrees of freedom needed for an interval
EXPONENTS = np.geomspace(SLOWEST, FASTEST, 129)
ZOOMS = 6  # each narrows the grid of exponents to its relevant cells
ROUNDING = 1e-12  # relative noise of an exact fit


@dataclass(frozen=True, kw_only=True)
class BudgetCurve:
    """Memorised bits of one model on one data set, after several budgets."""

    budgets: Sequence[float]
    bits: Sequence[float]
    ceiling_bits: float = inf  # all that can be memorised


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The bits of a curve at an unlimited budget, or at a larger one."""

    bits: float
    interval_bits: tuple[float, float]  # 95 %
    exponent: float  # b
    gain_bits: float  # between the largest budget and the limit

    def predict(self, budget_ratios: Floats) -> Floats:
        """Return the bits at budgets over the curve's largest; of an unlimited budget's limit."""
        return self.bits - self.gain_bits * budget_ratios**-self.exponent


def fit_limits(curves: Sequence[BudgetCurve], *, at_budget: float = inf) -> list[Limit | NoFit]:
    """Fit one limit per curve; all curves are of one model in one setting.

    A finite ``at_budget`` requests B(at_budget) in place of B_inf. Raises ValueError for a budget
    that is not > 0 or is above ``at_budget``, for bits that are not finite, and if a curve's
    budgets and bits differ in number.
    """
    family = _Family([_Scaled.of(curve, at_budget) for curve in curves])
    num_bits, num_unknowns = sum(len(each.bits) for each in curves), 2 * len(curves) + 1
    degrees = num_bits - num_unknowns
    if any(len(set(curve.budgets)) < FEWEST_BUDGETS for curve in curves):
        reason = f"a limit takes {FEWEST_BUDGETS} budgets"
    elif degrees < FEWEST_DEGREES:
        reason = f"no interval: {num_bits} measurements of {num_unknowns} unknowns"
    elif family.misfit(EXPONENTS).min() >= sum(each.flat_misfit for each in family.curves):
        reason = "the bits do not grow with the budget"
    else:
        exponent, least = family.best()
        # The largest squared residuals that an F test does not reject against the least.
        most = least * (1 + float(f_distribution.ppf(LEVEL, 1, degrees)) / degrees)
        if family.misfit(EXPONENTS[:1])[0] > most:
            return [family.limit(each, exponent, most) for each in family.curves]
        reason = "growth without an end is not excluded"
    return [NoFit(reason) for _ in curves]


@dataclass(frozen=True, kw_only=True)
class _Scaled:
    """A curve over its largest value: y = B* - a x, with x = T^-b - T*^-b, all T over the largest.

    The fit is linear for each exponent of [E]; if it would give a < 0, a is set to 0.
    """

    budgets: Floats  # over the largest, [n]
    bits: Floats  # over the scale, [n]
    at: float
    scale_bits: float
    ceiling: float

    @classmethod
    def of(cls, curve: BudgetCurve, at_budget: float) -> "_Scaled":
        """Scale a curve; raises ValueError as `fit_limits` does."""
        budgets, bits = np.asarray(curve.budgets, float), np.asarray(curve.bits, float)
        if budgets.shape != bits.shape or not (np.isfinite(bits).all() and (budgets > 0).all()):
            raise ValueError(f"a limit needs budgets > 0 with finite bits each, got {curve}")
        if (budgets > at_budget).any():
            raise ValueError(f"budget {at_budget:g} is no extrapolation of {curve}")
        scale_bits = float(np.abs(bits).max()) or 1.0
        return cls(
            budgets=budgets / budgets.max(),
            bits=bits / scale_bits,
            at=at_budget / budgets.max(),
            scale_bits=scale_bits,
            ceiling=curve.ceiling_bits / scale_bits,
        )

    def x_En(self, exponents: Floats) -> Floats:
        """Return x for each exponent and budget."""
        return self.budgets ** -exponents[:, None] - self.at ** -exponents[:, None]

    def line(self, exponents: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return B*, a, the squared residuals, and how fast they grow with (B - B*)^2, [E] each."""
        x_En = self.x_En(exponents)
        mean_E = x_En.mean(axis=1)
        apart_En = x_En - mean_E[:, None]
        squares_E = (apart_En**2).sum(axis=1)
        gain_E = -(apart_En @ self.bits) / squares_E
        limit_E = self.bits.mean() + gain_E * mean_E
        residuals_En = self.bits - limit_E[:, None] + gain_E[:, None] * x_En
        steepness_E = 1 / (1 / len(self.bits) + mean_E**2 / squares_E)
        return limit_E, gain_E, (residuals_En**2).sum(axis=1), steepness_E

    def misfit(self, exponents: Floats) -> Floats:
        """Return the squared residuals of the best line with a >= 0, [E]."""
        _, gain_E, misfit_E, _ = self.line(exponents)
        return np.where(gain_E >= 0, misfit_E, self.flat_misfit)

    def ends(self, exponents: Floats, most_E: Floats) -> tuple[Floats, Floats]:
        """Return the least and the largest B* with squared residuals within ``most_E``, [E] each.

        NaN if no B* is within. Below the B* at which the best a is 0, a stays 0.
        """
        x_En = self.x_En(exponents)
        turn_E = (x_En @ self.bits) / x_En.sum(axis=1)
        limit_E, _, misfit_E, steepness_E = self.line(exponents)
        mean = self.bits.mean()
        with np.errstate(invalid="ignore"):
            reach_E = np.sqrt((most_E - misfit_E) / steepness_E)
            flat_E = np.sqrt((most_E - self.flat_misfit) / len(self.bits))
        low_E, high_E = limit_E - reach_E, limit_E + reach_E
        low_E = np.where(low_E >= turn_E, low_E, mean - flat_E)
        high_E = np.where(high_E >= turn_E, high_E, mean + flat_E)
        return low_E, high_E

    @property
    def flat_misfit(self) -> float:
        """Squared residuals about the mean."""
        return float(((self.bits - self.bits.mean()) ** 2).sum())


@dataclass(frozen=True)
class _Family:
    """Curves that share one exponent."""

    curves: Sequence[_Scaled]

    def misfit(self, exponents: Floats) -> Floats:
        """Return the squared residuals summed over all curves, [E]."""
        return np.sum([each.misfit(exponents) for each in self.curves], axis=0)

    def best(self) -> tuple[float, float]:
        """Return the exponent of the least squared residuals, and these residuals."""
        grid = EXPONENTS
        for _ in range(ZOOMS):
            near = int(np.argmin(self.misfit(grid)))
            grid = _zoomed(grid, near, near)
        misfit = self.misfit(grid)
        return float(grid[misfit.argmin()]), max(float(misfit.min()), ROUNDING**2)

    def kept(self, exponent: float, most: float) -> Floats:
        """Return a dense grid of exponents with squared residuals within ``most``."""
        grid = np.sort([*EXPONENTS, exponent])
        for _ in range(ZOOMS):
            within = np.flatnonzero((self.misfit(grid) <= most) | (grid == exponent))
            grid = np.sort([*_zoomed(grid, within[0], within[-1]), exponent])
        return grid

    def limit(self, curve: _Scaled, exponent: float, most: float) -> Limit:
        """Return the limit of one curve; its interval covers all exponents within ``most``."""
        limit_E, gain_E, *_ = curve.line(np.array([exponent]))
        grows = gain_E[0] > 0
        bits = float(limit_E[0]) if grows else float(curve.bits.mean())
        exponents = self.kept(exponent, most)
        others_E = self.misfit(exponents) - curve.misfit(exponents)
        low_E, high_E = curve.ends(exponents, most - others_E)
        bits, low, high = (
            min(float(each), curve.ceiling) * curve.scale_bits
            for each in (bits, np.nanmin(low_E), np.nanmax(high_E))
        )
        return Limit(
            bits=bits,
            interval_bits=(low, high),
            exponent=exponent,
            gain_bits=float(gain_E[0]) * curve.scale_bits if grows else 0.0,
        )


def _zoomed(grid: Floats, first: int, last: int) -> Floats:
    """Return a new grid from the exponent before ``first`` to the one after ``last``."""
    return np.geomspace(grid[max(first - 1, 0)], grid[min(last + 1, len(grid) - 1)], len(EXPONENTS))
