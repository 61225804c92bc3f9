"""How often 95 % intervals of the laws hold the truth, on planted runs of a published law.

Means, rates and rankings of small groups come first (`benchmarks/groups.py`,
`benchmarks/rankings.py`); `groups` as an argument draws these alone.

Loss gets Gaussian noise of 1 % on its logarithm. Of each law's constants and of its prediction far
beyond the runs, counts intervals of three kinds: value * exp(+- t s.e. / value), profile and
bootstrap. Writes the shares to benchmarks/results/coverage.json; takes minutes on a core.

    python benchmarks/coverage.py [groups | draws resamples]
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from coverage_fits import intervals
from groups import mean_and_rate_rows
from rankings import ranking_and_curve_rows

from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import FitEffort, Floats, LawData, RunCount
from rote.core.provenance import provenance

NOISE = 0.01
DRAWS, RESAMPLES = 200, 200
GROUP_DRAWS = 400
RESULTS = Path(__file__).parent / "results" / "coverage.json"
BEYOND = 10.0  # of every input's greatest value: where the prediction is judged


@dataclass(frozen=True, kw_only=True)
class Design:
    """Every combination of these values."""

    law: str
    source: str
    axes: tuple[Floats, ...]


HOFFMANN = "Besiroglu et al. 2024, arXiv 2404.10102"
KAPLAN = "Kaplan et al. 2020, arXiv 2001.08361"
SIZES, TOKENS = (4e7, 1.6e10), (5e8, 5e11)
DESIGNS = (
    Design(law="size", source=KAPLAN, axes=(np.geomspace(1e3, 1.5e9, 12),)),
    Design(
        law="kaplan",
        source=KAPLAN,
        axes=(np.geomspace(4e5, 7e8, 6), np.geomspace(2e7, 2e10, 6)),
    ),
    *(
        Design(
            law=name,
            source=HOFFMANN,
            axes=(np.geomspace(*SIZES, num_sizes), np.geomspace(*TOKENS, num_tokens)),
        )
        for name, num_sizes, num_tokens in (
            ("parametric", 4, 5),
            ("parametric", 6, 7),
            ("variable_projection", 6, 7),
            ("parametric", 20, 12),
        )
    ),
)


def main() -> None:
    """Groups, then all designs, one after another."""
    if sys.argv[1:] == ["groups"]:
        _write({**json.loads(RESULTS.read_text()), "groups": _groups()})
        return
    given = [int(each) for each in sys.argv[1:]]
    draws, resamples = given if given else (DRAWS, RESAMPLES)
    rows = [_covered(design, draws, resamples) for design in DESIGNS]
    result = {
        "noise": NOISE,
        "draws": draws,
        "resamples": resamples,
        "designs": rows,
        "provenance": provenance(),
        "groups": _groups(),
    }
    _write(result)


def _groups() -> dict[str, object]:
    """A row an interval, distribution and size of group."""
    rows = []
    for found in chain(mean_and_rate_rows(GROUP_DRAWS), ranking_and_curve_rows(GROUP_DRAWS)):
        rows.append(asdict(found))
        sys.stdout.write(json.dumps(rows[-1]) + "\n")
        sys.stdout.flush()
    return {"nominal": 0.95, "draws": GROUP_DRAWS, "rows": rows, "provenance": provenance()}


def _write(result: dict[str, object]) -> None:
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def _covered(design: Design, draws: int, resamples: int) -> dict[str, object]:
    curve = law(design.law).published[design.source]
    inputs = [each.ravel() for each in np.meshgrid(*design.axes)]
    beyond = [np.array([BEYOND * each.max()]) for each in inputs]
    hits: dict[str, int] = {}
    start = time.perf_counter()
    for seed in range(draws):
        noise = np.random.default_rng(seed).normal(0, NOISE, len(inputs[0]))
        columns = dict(zip(law(design.law).inputs, inputs, strict=True))
        columns["loss_nats"] = curve.predict(*inputs) * np.exp(noise)
        runs = LawData(columns=columns, count=RunCount.TOTAL)
        fitted = law(design.law).fit(runs, FitEffort(num_resamples=resamples, seed=seed))
        for constant in fitted.constants:
            truth = float(getattr(curve, constant.name))
            for kind, (low, high) in intervals(fitted, constant).items():
                key = f"{constant.name} {kind}"
                hits[key] = hits.get(key, 0) + (low <= truth <= high)
        low_loss, high_loss = fitted.interval(*beyond)
        held = bool((low_loss <= curve.predict(*beyond)).all()) and bool(
            (curve.predict(*beyond) <= high_loss).all()
        )
        hits["prediction bootstrap"] = hits.get("prediction bootstrap", 0) + held
    row: dict[str, object] = {
        "law": design.law,
        "runs": len(inputs[0]),
        "seconds": time.perf_counter() - start,
        "covered": {key: number / draws for key, number in hits.items()},
    }
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
    return row


if __name__ == "__main__":
    main()
