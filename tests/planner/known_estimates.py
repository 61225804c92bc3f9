"""Law estimates with known answers."""

from dataclasses import replace
from typing import Any

from rote.analysis.fits.leak_curve import LeakCurve
from rote.analysis.laws.parametric import Parametric
from rote.planner.fitted import published_estimates
from rote.planner.law_estimates import LawEstimate, LawEstimates

HOFFMANN = Parametric(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
EXPOSURE = LeakCurve(chance=1.44, most=20.0, middle=0.05, steepness=1.5)


def believed(**changes: Any) -> LawEstimates:
    """The published ones, Hoffmann's loss alone, with changes."""
    estimates = published_estimates()
    loss = replace(estimates.loss, curve=HOFFMANN, rivals=())
    return replace(estimates, **{"loss": loss, **changes})


def exposure() -> LawEstimate:
    """Of canaries of 20 bits, as if fitted."""
    return LawEstimate(
        name="exposure",
        inputs=("parameters", "samples"),
        curve=EXPOSURE,
        rivals=(EXPOSURE, replace(EXPOSURE, middle=0.1)),
        is_resampled=True,
        source="fitted to 9 runs of a test",
        ranges={"windows_per_parameter": (0.01, 1.0)},
    )
