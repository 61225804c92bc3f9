"""How often 95 % intervals of fits hold the truth where noise is not equal or sizes scatter.

Each row is a design of the size that reports use, its truth planted. Writes the shares to
benchmarks/results/coverage_fits.json; rows are named on the command line, all by default.

    python benchmarks/coverage_fits.py [--draws N] [--runs FILE.csv] [ROW ...]

``flipped`` takes the runs of others: the CSV that Besiroglu et al. 2024 (arXiv 2404.10102)
published with their refit, columns "Model Size", "Training FLOP" and "loss". The five runs of
largest loss are left out, as there; signs of residuals about the fit are drawn anew row by row.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import t as student_t

from rote.analysis.fits.plateau import Knee, Plateau, fit_plateau
from rote.analysis.fits.slope import Slope, fit_slope, points_of
from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import Constant, Count, Effort, Fitted, Floats, Measured
from rote.provenance import provenance

NUM_LEFT_OUT = 5
RESAMPLES = 200
MEAN = 3.6  # bits per parameter

Shares = dict[str, float]


def main() -> None:
    """The rows asked for, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []])
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
    if path is None:
        raise SystemExit("flipped: --runs FILE.csv is needed")
    table = pl.read_csv(path).sort("loss").slice(0, -NUM_LEFT_OUT)
    size, flops, loss = (table[name].to_numpy() for name in ("Model Size", "Training FLOP", "loss"))
    inputs = {"parameters": size, "tokens": flops / 6 / size}
    curve = _fit("parametric", inputs, loss, Effort(num_resamples=0, profiles=False)).curve
    center = curve.predict(*inputs.values())
    residuals = np.log(loss / center)
    hits: dict[str, int] = {}
    for seed in range(draws):
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], len(loss))
        outputs = center * np.exp(signs * residuals)
        fitted = _fit("parametric", inputs, outputs, Effort(num_resamples=RESAMPLES, seed=seed))
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
            low, high = slope.interval_bits_per_parameter
            held += low <= MEAN <= high
            means.append(slope.bits_per_parameter)
            widths.append(high - low)
        key = f"{number} sizes, {scatter:.0%}"
        found[f"{key} held"] = held / draws
        found[f"{key} bias"] = float(np.mean(means)) / MEAN - 1
        found[f"{key} width"] = float(np.mean(widths)) / MEAN
    return found


def _slope(parameters: Floats, alphas: Floats, random: np.random.Generator) -> Slope:
    """Six data sets, three seeds, noise of 1 %: the design of sweeps/capacity."""
    plateaus = []
    for size, alpha in zip(parameters.tolist(), alphas.tolist(), strict=True):
        data = np.repeat(np.array([0.5, 0.75, 1.0, 1.25, 1.5, 2.0]) * 3.6 * size, 3)
        exact = Knee(capacity_bits=alpha * size, sharpness=8.0).predict(data)
        plateau = fit_plateau(data, exact * (1 + 0.01 * random.standard_normal(len(data))))
        if isinstance(plateau, Plateau):
            plateaus.append((round(size), plateau))
    points, degrees = points_of(plateaus)
    return fit_slope(points, degrees_of_freedom=degrees)


def intervals(fitted: Fitted, constant: Constant) -> dict[str, tuple[float, float]]:
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


def _fit(name: str, inputs: dict[str, Floats], outputs: Floats, effort: Effort) -> Fitted:
    columns = {**inputs, law(name).output: outputs}
    return law(name).fit(Measured(columns=columns, count=Count.TOTAL), effort)


ROWS: dict[str, Callable[[int, Path | None], Shares]] = {
    "flipped": flipped,
    "sizes": sizes,
}


if __name__ == "__main__":
    main()
