"""How often 95 % intervals of fits hold the truth where noise is not equal or sizes scatter.

Each row is a design of the size that reports use, its truth planted. Writes the shares to
benchmarks/results/coverage_fits.json; rows are named on the command line, all by default.

    python benchmarks/coverage_fits.py [--draws N] [--runs FILE.csv] [ROW ...]

Rows that begin with ``flipped`` take the runs of others: the CSV that Besiroglu et al. 2024 (arXiv
2404.10102) published with their refit, columns "Model Size", "Training FLOP" and "loss". The five
runs of largest loss are left out, as there; signs of residuals about the fit are drawn anew.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t as student_t

from rote.analysis.estimate import interval_of
from rote.analysis.fits.descent import GridPoint, Peak, fit_descent
from rote.analysis.fits.leak_curve import LeakCurve, fit_leak_curve
from rote.analysis.fits.membership_law import (
    LawReading,
    MembershipLaw,
    fit_membership_law,
)
from rote.analysis.fits.plateau import Knee, Plateau, fit_plateau
from rote.analysis.fits.random_effects import RandomEffectsMean, fit_slope
from rote.analysis.fits.search import NoFit
from rote.analysis.laws.clusters import cluster_numbers
from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import Constant, FitEffort, FittedLaw, Floats, LawData, RunCount
from rote.analysis.published import PUBLISHED_CURVES
from rote.core.provenance import provenance

NUM_LEFT_OUT = 5
RESAMPLES = 200
MEAN = 3.6  # bits per parameter

Shares = dict[str, float]


def main() -> None:
    """The rows asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--runs", type=Path)
    asked = parser.parse_args()
    path = Path(__file__).parent / "results" / "coverage_fits.json"
    known = json.loads(path.read_text())["rows"] if path.exists() else {}
    for name in asked.rows or ROWS:
        start = time.perf_counter()
        shares = ROWS[name](asked.draws, asked.runs)
        row = {"draws": asked.draws, "seconds": time.perf_counter() - start, "covered": shares}
        known[name] = row
        sys.stdout.write(json.dumps({name: row}) + "\n")
        sys.stdout.flush()
        result = {"nominal": 0.95, "rows": known, "provenance": provenance()}
        path.write_text(json.dumps(result, indent=1) + "\n")


def flipped(draws: int, path: Path | None) -> Shares:
    """The parametric law about its own fit to real runs, signs of residuals drawn row by row."""
    runs = _published_runs(path)
    return _flipped(draws, runs, np.arange(len(runs)), "")


def flipped_by_size(draws: int, path: Path | None) -> Shares:
    """One sign for all runs of a size; runs drawn one by one, and sizes drawn whole."""
    runs = _published_runs(path)
    groups = cluster_numbers(runs, "parameters")
    alone, together = (_flipped(draws, runs, groups, kind) for kind in ("", "parameters"))
    return {
        **{f"{key}, runs alone": share for key, share in alone.items()},
        **{f"{key}, --clusters parameters": share for key, share in together.items()},
    }


def _published_runs(path: Path | None) -> LawData:
    if path is None:
        raise SystemExit("--runs FILE.csv is needed")
    table = pl.read_csv(path).sort("loss").slice(0, -NUM_LEFT_OUT)
    size, flops, loss = (table[name].to_numpy() for name in ("Model Size", "Training FLOP", "loss"))
    columns = {"parameters": size, "tokens": flops / 6 / size, "loss_nats": loss}
    return LawData(columns=columns, count=RunCount.TOTAL)


def _flipped(draws: int, runs: LawData, groups: NDArray[np.int64], clusters: str) -> Shares:
    inputs = {name: runs[name] for name in ("parameters", "tokens")}
    quick = FitEffort(num_resamples=0, profiles=False)
    curve = _fit("parametric", inputs, runs["loss_nats"], quick).curve
    center = curve.predict(*inputs.values())
    residuals = np.log(runs["loss_nats"] / center)
    hits: dict[str, int] = {}
    for seed in range(draws):
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], groups.max() + 1)[groups]
        effort = FitEffort(num_resamples=RESAMPLES, seed=seed, clusters=clusters)
        fitted = _fit("parametric", inputs, center * np.exp(signs * residuals), effort)
        for constant in fitted.constants:
            truth = float(getattr(curve, constant.name))
            for kind, (low, high) in intervals(fitted, constant).items():
                key = f"{constant.name} {kind}"
                hits[key] = hits.get(key, 0) + (low <= truth <= high)
    return {key: number / draws for key, number in hits.items()}


def sizes(draws: int, path: Path | None) -> Shares:
    """Mean bits per parameter of 2 to 16 sizes that scatter by 0, 2 and 8 % about 3.6."""
    found = {}
    for number, scatter in ((2, 0.0), (2, 0.02), (4, 0.02), (4, 0.08), (16, 0.02), (16, 0.08)):
        held, means, widths = 0, [], []
        for seed in range(draws):
            random = np.random.default_rng(seed)
            parameters = np.geomspace(8e4, 7e6, number)
            alphas = MEAN * (1 + scatter * random.standard_normal(number))
            slope = _slope(parameters, alphas, random)
            low, high = slope.mean.ends
            held += low <= MEAN <= high
            means.append(slope.mean.value)
            widths.append(high - low)
        key = f"{number} sizes, {scatter:.0%}"
        found[f"{key} held"] = held / draws
        found[f"{key} bias"] = float(np.mean(means)) / MEAN - 1
        found[f"{key} width"] = float(np.mean(widths)) / MEAN
    return found


def _slope(parameters: Floats, alphas: Floats, random: np.random.Generator) -> RandomEffectsMean:
    """Six data sets, three seeds, noise of 1 %: the design of sweeps/capacity."""
    plateaus = []
    for size, alpha in zip(parameters.tolist(), alphas.tolist(), strict=True):
        data = np.repeat(np.array([0.5, 0.75, 1.0, 1.25, 1.5, 2.0]) * 3.6 * size, 3)
        exact = Knee(capacity_bits=alpha * size, sharpness=8.0).predict(data)
        plateau = fit_plateau(data, exact * (1 + 0.01 * random.standard_normal(len(data))))
        if isinstance(plateau, Plateau):
            plateaus.append((round(size), plateau))
    return fit_slope(plateaus)


def membership(draws: int, path: Path | None) -> Shares:
    """The law's band at seven ratios; sizes differ by 30 % in |D| / P, by 5 % in height, or not."""
    at = np.array([0.012, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15])
    found = {}
    for number, by_ratio, by_height in product((2, 3, 5), *((0.0, 0.3), (0.0, 0.05))):
        if by_ratio and by_height:
            continue
        held, bands = 0, 0
        for seed in range(draws):
            law = _membership(number, by_ratio, by_height, np.random.default_rng(seed))
            if isinstance(law, MembershipLaw):
                low, high = law.interval(at, np.ones_like(at))
                truth = PUBLISHED_CURVES[0].at(at)
                held += int(((low <= truth) & (truth <= high)).sum())
                bands += len(at)
        found[f"{number} sizes, {by_ratio:.0%} in ratio, {by_height:.0%} in height"] = held / bands
    return found


def _membership(
    number: int, by_ratio: float, by_height: float, random: np.random.Generator
) -> MembershipLaw | NoFit:
    """Eight ratios a size, noise of 0.015 in F1."""
    ratio = np.tile([0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.3], number)
    parameters = np.repeat(np.geomspace(2e4, 2e6, number), 8)
    shift = np.repeat(np.exp(by_ratio * random.standard_normal(number)), 8)
    height = np.repeat(1 + by_height * random.standard_normal(number), 8)
    f1 = 0.5 + (PUBLISHED_CURVES[0].at(ratio * shift) - 0.5) * height
    f1 = np.clip(f1 + 0.015 * random.standard_normal(len(ratio)), 0, 1)
    reading = LawReading.SAMPLES_PER_PARAMETER
    return fit_membership_law(reading, ratio * parameters, parameters, f1, num_resamples=60)


def leaks(draws: int, path: Path | None) -> Shares:
    """Middle of the planner's leak curve; sizes differ by 30 % in |D| / P, or not."""
    true, found = LeakCurve(chance=1.44, most=8.0, middle=0.03, steepness=1.2), {}
    for number, scatter in product((2, 3, 5), (0.0, 0.3)):
        held = 0
        ratio = np.tile(np.geomspace(0.003, 0.3, 8), number)
        sizes = np.repeat(np.geomspace(1e5, 1e7, number), 8)
        for seed in range(draws):
            random = np.random.default_rng(seed)
            shift = np.repeat(np.exp(scatter * random.standard_normal(number)), 8)
            leakage = true.at(ratio * shift) + 0.1 * random.standard_normal(len(ratio))
            fitted = fit_leak_curve(ratio * sizes, sizes, leakage, chance=1.44, most=8.0)
            low, high = interval_of([each.middle for each in fitted.resampled])
            held += low <= true.middle <= high
        found[f"{number} sizes, {scatter:.0%}"] = held / draws
    return found


def descent(draws: int, path: Path | None) -> Shares:
    """The peak of held-out loss, alike or steeper on one side, grids of factors 2^step."""
    found = {}
    for (left, right), step in product(((1.0, 1.0), (0.7, 1.8), (1.8, 0.7)), (0.5, 1.0, 2.0)):
        peaks, held = 0, 0
        for seed in range(draws):
            random = np.random.default_rng(seed)
            grid = np.log(2) * step * np.arange(-4, 5)
            top = random.uniform(-0.5, 0.5) * step * np.log(2)
            losses = 6 + 0.8 * np.exp(
                -(((grid - top) / np.where(grid < top, left, right)) ** 2) / 2
            )
            texts = 0.3 * random.standard_normal((1, 100))
            points = [
                GridPoint(
                    ratio=float(np.exp(x)),
                    losses_KM=loss + 0.03 * random.standard_normal((3, 1)) + texts,
                )
                for x, loss in zip(grid, losses, strict=True)
            ]
            fit = fit_descent(points)
            if isinstance(fit, Peak):
                peaks += 1
                held += fit.interval[0] <= np.exp(top) <= fit.interval[1]
        found[f"widths {left:g} and {right:g}, step {step:g}"] = held / peaks
    return found


def intervals(fitted: FittedLaw, constant: Constant) -> dict[str, tuple[float, float]]:
    """The three kinds; that of a standard error is value * exp(+- t s.e. / value)."""
    found = {}
    if constant.standard_error is not None:
        degrees = fitted.goodness.num_points - fitted.goodness.num_constants
        reach = student_t.ppf(0.975, degrees) * constant.standard_error / constant.value
        found["error"] = (constant.value * np.exp(-reach), constant.value * np.exp(reach))
    if constant.profile_interval is not None:
        found["profile"] = constant.profile_interval
    if constant.bootstrap_interval is not None:
        found["bootstrap"] = constant.bootstrap_interval
    return found


def _fit(name: str, inputs: dict[str, Floats], outputs: Floats, effort: FitEffort) -> FittedLaw:
    columns = {**inputs, law(name).output: outputs}
    return law(name).fit(LawData(columns=columns, count=RunCount.TOTAL), effort)


ROWS: dict[str, Callable[[int, Path | None], Shares]] = {
    "flipped": flipped,
    "flipped_by_size": flipped_by_size,
    "sizes": sizes,
    "membership": membership,
    "leaks": leaks,
    "descent": descent,
}


if __name__ == "__main__":
    main()
