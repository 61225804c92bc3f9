"""Runs that follow a published law exactly, or with noise on ln(output)."""

import numpy as np

from rote.analysis.laws.capacity import Capacity
from rote.analysis.laws.extraction import Extraction
from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import FitEffort, Floats, LawCurve, LawData, RunCount
from rote.analysis.laws.parametric import PUBLISHED, Parametric

REFIT = PUBLISHED["Besiroglu et al. 2024, arXiv 2404.10102"]
# alpha = beta: loss at equal FLOPs is then symmetric in ln N about its minimum
SYMMETRIC = Parametric(E=1.8, A=500.0, B=1500.0, alpha=0.35, beta=0.35)
QUICK = FitEffort(num_resamples=0, profiles=False)

DESIGNS = {
    "parametric": (np.geomspace(4e7, 1.6e10, 6), np.geomspace(5e8, 5e11, 7)),
    "variable_projection": (np.geomspace(4e7, 1.6e10, 6), np.geomspace(5e8, 5e11, 7)),
    "size": (np.geomspace(1e3, 1.5e9, 12),),
    "data": (np.geomspace(2e7, 2e10, 12),),
    "kaplan": (np.geomspace(4e5, 7e8, 6), np.geomspace(2e7, 2e10, 6)),
    "overfitting": (np.geomspace(4e5, 7e8, 6), np.geomspace(2e7, 2e10, 6)),
    "steps": (np.geomspace(1e6, 1e9, 4), np.geomspace(1e3, 2.5e5, 6), np.array([3e4, 5e5, 4e6])),
    "repetition": (
        np.geomspace(1e7, 1e10, 6), np.geomspace(1e8, 9e11, 7), np.array([1e8, 1e9, 1e10])
    ),
    "membership": (np.geomspace(500, 2e4, 8), np.array([2e4, 6e4, 2e5])),
    "capacity": (np.array([1e5, 4e5, 1e6]), np.geomspace(1e5, 2e7, 12)),
    "extraction": (
        np.geomspace(5e3, 7e4, 4), np.array([5e5, 2e6]), np.array([1, 10, 50.0]), np.array([1, 8.0])
    ),
}  # fmt: skip
SURFACES = tuple(DESIGNS)
FLOPS = np.geomspace(1e18, 1e22, 5)


def columns(name: str) -> tuple[str, ...]:
    """What the design varies, in order."""
    batched = ("batch_tokens",) if name == "steps" else ()
    return (*law(name).inputs, *batched)


def published(name: str) -> LawCurve:
    """The first published curve, or one of ours: no knee of capacities is published, nor p_z."""
    if name == "extraction":
        return Extraction(X=2.4, A=3e-7, alpha=1.8, beta=0.4, gamma=1.5)
    if name == "capacity":
        return Capacity(alpha=3.6, p=4.0)
    return next(iter(law(name).published.values()))


def grid(*axes: Floats | list[float]) -> list[Floats]:
    """Every combination of these values."""
    return [each.ravel() for each in np.meshgrid(*axes)]


def surface(name: str, *, noise: float = 0.0, seed: int = 0) -> LawData:
    """Every combination of the design."""
    inputs = dict(zip(columns(name), grid(*DESIGNS[name]), strict=True))
    values = published(name).predict(*inputs.values())
    return of(inputs, law(name).output, values, noise=noise, seed=seed)


def changed(measured: LawData, **others: Floats) -> LawData:
    """The runs with other columns in place of these, or beside them."""
    return LawData(columns={**measured.columns, **others}, count=measured.count)


def lacking(measured: LawData, column: str) -> LawData:
    """The runs without a column."""
    left = {name: values for name, values in measured.columns.items() if name != column}
    return LawData(columns=left, count=measured.count)


def of(
    inputs: dict[str, Floats], output: str, values: Floats, *, noise: float = 0.0, seed: int = 0
) -> LawData:
    """These inputs with noisy outputs."""
    errors = np.random.default_rng(seed).normal(0, noise, len(values))
    return LawData(columns=inputs | {output: values * np.exp(errors)}, count=RunCount.TOTAL)


def levels(
    curve: Parametric = SYMMETRIC,
    *,
    shares: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0),
    flops: Floats = FLOPS,
    noise: float = 0.0,
    seed: int = 0,
) -> LawData:
    """Sizes about the optimal one at each of several FLOPs."""
    compute, share = grid(flops, list(shares))
    parameters = curve.optimum(compute)[0] * share
    tokens = compute / (6 * parameters)
    inputs = {"parameters": parameters, "tokens": tokens, "flops": compute}
    assert set(inputs) | {"loss_nats"} == set(law("isoflop").needs)
    return of(inputs, "loss_nats", curve.predict(parameters, tokens), noise=noise, seed=seed)
