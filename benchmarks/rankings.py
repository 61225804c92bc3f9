"""How often 95 % intervals of AUROC, F1, shares, rank correlations and curves hold the truth.

Scores of members are those of others and a shift of normal scores, for all of them or for a part.
`benchmarks/coverage.py` writes the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from groups import Random, Row, holds, row
from numpy.typing import NDArray
from scipy.stats import norm

from rote.analysis.audit.verdicts import auroc_difference
from rote.analysis.estimators import (
    AnswersOfSplits,
    difference,
    mean_of_estimates,
    rank_correlation,
    rate,
    share,
    share_difference,
)
from rote.analysis.fits.descent import GridPoint, Peak, fit_descent
from rote.analysis.fits.plateau import Knee, Plateau, fit_plateau
from rote.analysis.quantities.membership import (
    MembershipQuality,
    RateAtFalsePositives,
    membership_quality,
)

Floats = NDArray[np.float64]

RESAMPLES = 200
FALSE_POSITIVES = 0.01


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Members' normal scores, shifted for this share of them."""

    shift: float
    share: float = 1.0

    @property
    def name(self) -> str:
        """With the AUROC."""
        part = "" if self.share == 1 else f", {self.share:.0%} of members shifted"
        return f"AUROC {self.auroc:.3g}{part}"

    @property
    def auroc(self) -> float:
        """Closed form."""
        return float(self.share * norm.cdf(self.shift / 2**0.5) + (1 - self.share) / 2)

    def draw(self, random: Random, number: int) -> tuple[Floats, Floats]:
        """Members, others."""
        shifted = self.shift * (random.random(number) < self.share)
        return random.normal(0, 1, number) + shifted, random.normal(0, 1, number)


SCORES = (
    Scores(shift=0.0), Scores(shift=0.954), Scores(shift=2.326), Scores(shift=3.29),
    Scores(shift=4.0, share=0.3),
)  # fmt: skip


def ranking_rows(draws: int, sizes: tuple[int, ...] = (4, 10, 20, 50, 200)) -> Iterator[Row]:
    """AUROC of every score; F1 and members found where all members are shifted."""
    for scores in SCORES:
        for number in sizes:
            random = np.random.default_rng([11, number])
            found = [_judged(scores.draw(random, number), seed) for seed in range(draws)]
            group = f"{number} a side"
            held = (holds(each.auroc.interval, scores.auroc) for each in found)
            yield row("AUROC", scores.name, group, held)
            if scores.share == 1:
                truth = float(norm.cdf(scores.shift / 2))
                held = (holds(each.f1.interval, truth) for each in found)
                yield row("F1 at equal errors", scores.name, group, held)
                yield from _found_rows(scores, group, found)


def _judged(sides: tuple[Floats, Floats], seed: int) -> MembershipQuality:
    return membership_quality(*sides, seed=seed, num_resamples=RESAMPLES)


def _found_rows(scores: Scores, group: str, found: list[MembershipQuality]) -> Iterator[Row]:
    """Members found: at the threshold that was chosen, and at the rate that it promises."""
    rates = [each.at_false_positive_rates[0] for each in found]
    told = [each for each in rates if isinstance(each, RateAtFalsePositives)]
    if not told:
        return
    at_rate = float(norm.sf(norm.isf(FALSE_POSITIVES) - scores.shift))
    yield row(
        "members found at the threshold chosen", scores.name, group,
        (holds(each.members_found.interval, float(norm.sf(each.threshold - scores.shift)))
         for each in told),
    )  # fmt: skip
    yield row(
        "the same, taken for 1 % false positives", scores.name, group,
        (holds(each.members_found.interval, at_rate) for each in told), claimed=False,
    )  # fmt: skip


def seed_ranking_rows(draws: int) -> Iterator[Row]:
    """Three seeds that share their others, and two sizes."""
    scores, number = Scores(shift=0.954), 50
    random = np.random.default_rng(12)
    means, apart_f1 = [], []
    for seed in range(draws):
        # Scores of one text under models of several seeds agree to 0.9.
        text = random.normal(0, 0.9**0.5, number)
        runs = []
        for _ in range(3):
            others = text + random.normal(0, 0.1**0.5, number)
            runs.append(_judged((scores.draw(random, number)[0], others), seed))
        means.append(holds(mean_of_estimates([each.auroc for each in runs]).interval, scores.auroc))
        larger = _judged(scores.draw(random, number), seed)
        f1 = difference(larger.f1, mean_of_estimates([each.f1 for each in runs]))
        apart_f1.append(holds(f1.interval, 0.0))
    yield row("AUROC, mean of 3 seeds on the same others", scores.name, "50 a side", means)
    yield row("F1, largest less smallest size", scores.name, "50 a side", apart_f1)


def blind_rows(draws: int) -> Iterator[Row]:
    """The audit's score less words alone, on the same documents; a tenth of a second each."""
    score = Scores(shift=3.29)
    for words, number in ((Scores(shift=0.0), 50), *((Scores(shift=2.326), n) for n in (10, 20))):
        random = np.random.default_rng([17, number])
        held = []
        for seed in range(max(1, draws // 2)):
            sides = score.draw(random, number), words.draw(random, number)
            found = auroc_difference(*sides, seed=seed)
            held.append(holds(found.interval, score.auroc - words.auroc))
        name = f"AUROC {score.auroc:.2f} less {words.auroc:.2f}"
        yield row("AUROC less that of words", name, f"{number} a side", held)


def share_rows(draws: int) -> Iterator[Row]:
    """Shares and their differences over splits, whose true shares differ."""
    for name, a, b in (("0.5, spread 0.22", 2, 2), ("0.02", 2, 98), ("all or nothing", 0.3, 0.3)):
        for num_splits, num_seeds, trials in ((3, 1, 100), (5, 5, 4), (20, 5, 4)):
            random = np.random.default_rng([13, num_splits])
            held, held_apart = [], []
            for _ in range(draws):
                one, other = (
                    _answers(random, random.beta(a, b, num_splits), num_seeds, trials)
                    for _ in range(2)
                )
                held.append(holds(share(one).interval, a / (a + b)))
                both = share_difference(one, other)
                held_apart.append(holds(both.interval if both else None, 0.0))
            group = f"{num_splits} splits, {num_seeds} seeds, {trials} items"
            sure = name != "all or nothing" or num_splits >= 20
            yield row("share over splits", name, group, held, claimed=sure)
            yield row("difference of shares", f"{name}, twice", group, held_apart, claimed=sure)


def _answers(random: Random, share_S: Floats, num_seeds: int, trials: int) -> list[AnswersOfSplits]:
    return [
        AnswersOfSplits(
            split=split,
            seed=seed,
            rate=rate(int(random.binomial(trials, chance)), trials),
        )
        for split, chance in enumerate(share_S)
        for seed in range(num_seeds)
    ]


def correlation_rows(draws: int) -> Iterator[Row]:
    """Spearman's rho of normal pairs: 6 / pi asin(correlation / 2)."""
    for correlation in (0.0, 0.8, 0.95):
        truth = 6 / np.pi * np.arcsin(correlation / 2)
        for number in (5, 8, 12, 24, 200):
            random = np.random.default_rng([14, number])
            held = []
            for _ in range(draws):
                one = random.normal(size=number)
                other = correlation * one + (1 - correlation**2) ** 0.5 * random.normal(size=number)
                found = rank_correlation(one, other)
                held.append(holds(found.interval if found else None, truth))
            yield row("rank correlation", f"rho = {truth:.2f}", f"{number} things", held)


def curve_rows(draws: int) -> Iterator[Row]:
    """The plateau, level or falling beyond its knee, and the peak of held-out loss."""
    knee = Knee(capacity_bits=1e4, sharpness=4.0)
    sizes = knee.capacity_bits * np.array([0.5, 1.0, 1.5, 2.0, 4.0])
    for num_seeds in (1, 3):
        random = np.random.default_rng([15, num_seeds])
        data = np.tile(sizes, num_seeds)
        held = []
        for _ in range(draws):
            found = fit_plateau(data, knee.predict(data) * (1 + random.normal(0, 0.02, len(data))))
            held.append(holds(found.interval_bits, knee.capacity_bits)
                        if isinstance(found, Plateau) else None)  # fmt: skip
        yield row("plateau", "2 % noise", f"5 data sets, {num_seeds} seeds", held)
    for fall in (0.03, 0.1):
        random = np.random.default_rng([17, round(100 * fall)])
        falling = Knee(capacity_bits=1e4, sharpness=6.0, fall=fall)
        data = np.repeat(falling.capacity_bits * np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0]), 2)
        held = []
        for _ in range(draws):
            noise = 1 + random.normal(0, 0.02, len(data))
            found = fit_plateau(data, np.minimum(falling.predict(data) * noise, data))
            held.append(holds(found.interval_bits, falling.capacity_bits)
                        if isinstance(found, Plateau) else None)  # fmt: skip
        yield row("plateau", f"2 % noise, falls as H^-{fall}", "6 data sets, 2 seeds", held)
    for num_seeds in (1, 3, 5):
        random = np.random.default_rng([16, num_seeds])
        held = [_holds_peak(random, num_seeds) for _ in range(max(1, draws // 5))]
        yield row(
            "peak of held-out loss", "0.1 bit between seeds", f"7 sizes, {num_seeds} seeds", held
        )


def _holds_peak(random: Random, num_seeds: int) -> bool | None:
    hardness = random.normal(0, 0.5, 100)
    points = []
    for ratio in np.geomspace(1 / 8, 8, 7):
        height = 5 + np.exp(-(np.log2(ratio) ** 2) / 2)
        losses = height + hardness + random.normal(0, 0.3, (num_seeds, 100))
        losses += random.normal(0, 0.1, (num_seeds, 1))
        points.append(GridPoint(ratio=float(ratio), losses_KM=losses))
    found = fit_descent(points)
    return holds(found.interval, 1.0) if isinstance(found, Peak) else None


def ranking_and_curve_rows(draws: int) -> Iterator[Row]:
    """All of this module, ``draws`` groups each."""
    for rows in (
        ranking_rows, seed_ranking_rows, blind_rows, share_rows, correlation_rows, curve_rows,
    ):  # fmt: skip
        yield from rows(draws)
