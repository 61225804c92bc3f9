"""How often 95 % intervals of means and rates hold the truth, at sizes that reports have.

Distributions are those that runs leave: exposures by sampling 1,024 references (guesses, canaries
that a model knows better by some standard deviations, or all or nothing), mem_U that is 0 for most
samples, leaks that no seed counts below a guess. `benchmarks/coverage.py` writes the rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from rote.analysis.estimators import (
    geometric_mean,
    mean_over_seeds,
    paired_difference,
    pooled,
    rate,
)
from rote.analysis.quantities.exposure import (
    CHANCE_BITS,
    compare_with_chance,
    mean_exposure,
)
from rote.analysis.quantities.generations import Extraction
from rote.analysis.quantities.unintended import mean_max_code

Floats = NDArray[np.float64]
Random = np.random.Generator
Draw = Callable[[Random, int], Floats]
Interval = tuple[float, float] | None

NUM_REFERENCES = 1024
MOST_BITS = float(np.log2(NUM_REFERENCES))
MANY = 400_000  # draws behind a truth that has no closed form
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Row:
    """One interval on one distribution at one size of group; nominal coverage is 0.95."""

    interval: str
    distribution: str
    group: str
    observed: float
    without_interval: float  # share of draws that have none, for a reason that reports give
    claimed: bool = True  # False: reports call it something else


def row(
    interval: str,
    distribution: str,
    group: str,
    held: Iterable[bool | None],
    *,
    claimed: bool = True,
) -> Row:
    """``held``: whether each draw's interval holds the truth; None where it has none."""
    all_draws = list(held)
    known = [each for each in all_draws if each is not None]
    return Row(
        interval=interval,
        distribution=distribution,
        group=group,
        observed=float(np.mean(known)) if known else float("nan"),
        without_interval=1 - len(known) / len(all_draws),
        claimed=claimed,
    )


def holds(interval: Interval, truth: float) -> bool | None:
    """None for no interval."""
    if interval is None:
        return None
    return bool(interval[0] - ROUNDING <= truth <= interval[1] + ROUNDING)


def known_better(deviations: float) -> Draw:
    """Exposures of canaries whose code lengths lie so many standard deviations below others'."""

    def draw(random: Random, number: int) -> Floats:
        share = norm.cdf(random.normal(-deviations, 1, number))
        return MOST_BITS - np.log2(1 + random.binomial(NUM_REFERENCES, share))

    return draw


def all_or_nothing(share: float) -> Draw:
    """So many are known for certain, the others not at all."""

    def draw(random: Random, number: int) -> Floats:
        return np.where(random.random(number) < share, MOST_BITS, known_better(0)(random, number))

    return draw


EXPOSURES: dict[str, Draw] = {
    "a guess": known_better(0),
    "2 sd better": known_better(2),
    "4 sd better": known_better(4),
    "10 % known, others a guess": all_or_nothing(0.1),
    "half known, others a guess": all_or_nothing(0.5),
    "90 % known, others a guess": all_or_nothing(0.9),
}


def exposure_rows(draws: int, sizes: Iterable[int] = (3, 4, 6, 8, 12, 24, 48)) -> Iterator[Row]:
    """The mean of K canaries."""
    for name, draw in EXPOSURES.items():
        truth = float(draw(np.random.default_rng(0), MANY).mean())
        for number in sizes:
            random = np.random.default_rng([1, number])
            yield row(
                "mean exposure", name, f"{number} canaries",
                (
                    holds(mean_exposure(draw(random, number), most_bits=MOST_BITS).interval, truth)
                    for _ in range(draws)
                ),
            )  # fmt: skip


def control_rows(draws: int) -> Iterator[Row]:
    """The range that chance gives the mean of controls: how often it holds that mean."""
    for number in (4, 16, 64):
        random = np.random.default_rng([2, number])
        yield row(
            "chance's range of a mean exposure", "a guess", f"{number} controls",
            (compare_with_chance(EXPOSURES["a guess"](random, number)).holds for _ in range(draws)),
        )  # fmt: skip


def pair_rows(draws: int) -> Iterator[Row]:
    """Differences of the same canaries in two models."""
    for one, other in (("a guess", "2 sd better"), ("2 sd better", "4 sd better")):
        random = np.random.default_rng(3)
        means = [float(EXPOSURES[name](random, MANY).mean()) for name in (one, other)]
        for number in (8, 12, 24, 60):
            found = (
                paired_difference(
                    np.subtract(*(EXPOSURES[name](random, number) for name in (other, one)))
                )
                for _ in range(draws)
            )
            yield row(
                "difference of exposures", f"{other} less {one}", f"{number} canaries",
                (holds(each.interval, means[1] - means[0]) for each in found),
            )  # fmt: skip


def seed_rows(draws: int) -> Iterator[Row]:
    """Means over runs that differ in their seed."""
    normal: Draw = lambda random, number: random.normal(3, 1, number)  # noqa: E731
    skewed: Draw = lambda random, number: np.exp(random.normal(0, 0.5, number))  # noqa: E731
    for number in (2, 3, 5):
        random = np.random.default_rng([4, number])
        held = (holds(mean_over_seeds(normal(random, number)).interval, 3) for _ in range(draws))
        yield row("mean over seeds", "normal", f"{number} seeds", held)
        held = (
            holds(mean_over_seeds(skewed(random, number)).interval, np.e**0.125)
            for _ in range(draws)
        )
        yield row(
            "mean over seeds, where reports have the geometric one",
            "log-normal, 1/2", f"{number} seeds", held, claimed=False,
        )  # fmt: skip
        held = (holds(geometric_mean(skewed(random, number)).interval, 1) for _ in range(draws))
        yield row("geometric mean over seeds", "log-normal, 1/2", f"{number} seeds", held)
        for name, leaks in (("both near a guess", (0.3, 0.3)), ("known against a guess", (6.0, 0))):
            sides = [CHANCE_BITS + random.normal(leak, 0.5, MANY) for leak in leaks]
            truth = float(np.subtract(*(np.maximum(side, CHANCE_BITS).mean() for side in sides)))
            both = (
                [np.maximum(CHANCE_BITS + random.normal(leak, 0.5, number), CHANCE_BITS)
                 for leak in leaks] for _ in range(draws)
            )  # fmt: skip
            held = (holds(mean_over_seeds(one - other).interval, truth) for one, other in both)
            yield row("leakage saved, counted from a guess on", name, f"{number} seeds", held)


def unintended_rows(draws: int) -> Iterator[Row]:
    """mem_U a sample: 0 where the reference is the better one."""
    for name, scale, zero in (("80 % at 0", 8.0, 0.8), ("half at 0, heavy tail", 3.0, 0.5)):
        heavy = name.endswith("tail")

        def draw(
            random: Random, number: int, scale: float = scale, zero: float = zero,
            heavy: bool = heavy,
        ) -> tuple[Floats, Floats]:  # fmt: skip
            reference = random.normal(300, 20, number)
            bits = scale * (
                np.exp(random.normal(0, 1.5, number)) if heavy else random.exponential(1, number)
            )
            return np.minimum(bits, reference) * (random.random(number) >= zero), reference

        truth = float(draw(np.random.default_rng(5), MANY)[0].mean())
        for number in (20, 64, 200, 1000):
            random = np.random.default_rng([6, number])
            held = (
                holds(mean_max_code(*draw(random, number)).interval, truth) for _ in range(draws)
            )
            yield row("mean mem_U", name, f"{number} samples", held)


def rate_rows(draws: int) -> Iterator[Row]:
    """Rates near 0, of seeds that share their sequences, and differences."""
    for truth in (0.001, 0.02, 0.3):
        for number in (10, 100, 1000):
            random = np.random.default_rng([7, number])
            counts = random.binomial(number, truth, draws)
            held = (holds(rate(int(c), number).interval, truth) for c in counts)
            yield row("rate", f"p = {truth}", f"{number} tried", held)
            others = random.binomial(number, truth / 2, draws)
            found = (
                _extraction(int(c), int(o), number) for c, o in zip(counts, others, strict=True)
            )
            held = (holds(each.excess.interval, truth / 2) for each in found)
            yield row("difference of rates", f"p = {truth}, {truth / 2}", f"{number} a side", held)
    for number in (20, 100):
        random = np.random.default_rng([8, number])
        # Beta(1/10, 9/10): most windows are guessed by every seed or by none.
        chances = random.beta(0.1, 0.9, (draws, number))
        rates = (
            pooled((rate(int(c), number) for c in counts), same_things=True)
            for counts in (
                random.binomial(1, chance, (3, number)).sum(axis=1) for chance in chances
            )
        )
        held = (holds(each.interval, 0.1) for each in rates)
        yield row("rate, 3 seeds on the same windows", "p = 0.1", f"{number} windows", held)


def _extraction(train: int, heldout: int, trials: int) -> Extraction:
    return Extraction(train=rate(train, trials), heldout=rate(heldout, trials))


def mean_and_rate_rows(draws: int) -> Iterator[Row]:
    """All of this module, ``draws`` groups each."""
    for rows in (exposure_rows, control_rows, pair_rows, seed_rows, unintended_rows, rate_rows):
        yield from rows(draws)
