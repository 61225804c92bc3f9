"""Fit Hoffmann's law to runs of one's own, and ask it for the best size of a budget.

python examples/fit_a_law.py
"""

import itertools

import numpy as np

from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import FitEffort, LawData, RunCount


def main() -> None:
    """Here the runs follow the published law with noise of 0.5 %; put yours in their place."""
    grid = itertools.product(np.geomspace(1e7, 1e10, 7), np.geomspace(1e9, 1e12, 7))
    parameters, tokens = np.array(list(grid)).T
    published = law("parametric").published["Besiroglu et al. 2024, arXiv 2404.10102"]
    noise = 1 + 0.005 * np.random.default_rng(0).standard_normal(len(parameters))
    loss_nats = published.predict(parameters, tokens) * noise

    columns = {"parameters": parameters, "tokens": tokens, "loss_nats": loss_nats}
    runs = LawData(columns=columns, count=RunCount.TOTAL)
    fitted = law("parametric").fit(runs, FitEffort(num_resamples=200))
    for constant in fitted.constants:
        low, high = constant.bootstrap_interval or (np.nan, np.nan)
        print(f"{constant.name:6} {constant.value:10.4g}   95 %: {low:.4g} to {high:.4g}")
    least, most = fitted.interval(1e11, 1e13)
    print(f"loss at 100B parameters, 10T tokens: {fitted.predict(1e11, 1e13):.3f} nats a token")
    print(f"95 %: {least:.3f} to {most:.3f}, ten times beyond the runs")
    for warning in fitted.warnings:
        print(f"- {warning}")


if __name__ == "__main__":
    main()
