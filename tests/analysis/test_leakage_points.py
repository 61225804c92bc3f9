"""Canaries of several runs put together."""

import numpy as np
import pytest
from scipy.stats import norm

from rote.analysis.quantities.exposure import exposures
from rote.analysis.reports.leakage.points import Place, planted
from rote.analysis.reports.leakage.reading import Canaries, Told


def test_only_skew_normals_that_hold_are_averaged() -> None:
    """Two canaries three deviations below their references; controls among two kinds of these."""
    number = 300
    bell = norm.ppf((np.arange(number) + 0.5) / number, 20, 2)
    two_kinds = np.repeat([10.0, 30.0], number // 2)
    arrays = {
        "exposure.repeats": np.array([2, 2, 0, 0]),
        "exposure.secret_bits": np.full(4, 40.0),
        "exposure.code_bits": np.full(4, 14.0, np.float32),
        "exposure.num_references": np.full(4, number),
        "exposure.num_as_likely": np.array([0, 0, 150, 150]),
        "exposure.is_exact": np.zeros(4, bool),
        "exposure.reference_code_bits": np.concatenate([bell, bell, two_kinds, two_kinds]),
    }
    canaries = Canaries(
        exposures=exposures(arrays),
        secret_bits_K=arrays["exposure.secret_bits"],
        is_extracted_K=None,
    )
    told = {"run": Told(qualities={}, codes=None, canaries=canaries, windows=(), oracle_id=None)}
    place = Place(series="1x8", num_sequences=10, run_ids=("run",))
    controls, inserted = planted([place], told)
    assert controls.fitted is None
    assert inserted.fitted is not None
    assert inserted.fitted.num_canaries == 2
    assert inserted.fitted.mean_bits == pytest.approx(-norm.logcdf(-3) / np.log(2), abs=0.5)
    assert inserted.exposure_bits.value == pytest.approx(np.log2(number))
