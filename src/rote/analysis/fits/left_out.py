"""Residuals that leaving a run, or its whole cluster, out of a linear fit would give.

e_g -> (I - H_gg)^-1 e_g with H = X (X^T X)^-1 X^T: HC3 for single runs (MacKinnon and White 1985),
CR3 for clusters (Bell and McCaffrey 2002). Covariances and wild bootstraps of them are neither
narrow where a fit follows its own runs, nor where noise is unequal.
Shapes: M runs, K constants, G clusters.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from scipy.stats import t as student_t

from rote.analysis.fits.level import ENDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_FREEDOM = 1e-6  # 1 - leverage of a run that alone determines a constant; its residual is 0
WEBB = np.sqrt([1.5, 1.0, 0.5])  # sizes of weights: 6^G draws differ where signs alone give 2^G


def left_out_residuals(
    design_MK: Floats, residuals_M: Floats, clusters_M: Ints | None = None
) -> Floats:
    """[M]; without clusters every run is left out alone. Columns of ``design_MK`` may be of any
    scale, and none of them all 0.
    """
    root, _ = np.linalg.qr(design_MK / np.linalg.norm(design_MK, axis=0))
    if clusters_M is None:
        freedom = np.maximum(1 - (root**2).sum(axis=1), LEAST_FREEDOM)
        return np.asarray(residuals_M / freedom)
    left_out = np.empty_like(residuals_M)
    for cluster in np.unique(clusters_M):
        inside = clusters_M == cluster
        values, vectors = np.linalg.eigh(np.eye(int(inside.sum())) - root[inside] @ root[inside].T)
        turned = vectors.T @ residuals_M[inside]
        left_out[inside] = vectors @ (turned / np.maximum(values, LEAST_FREEDOM))
    return left_out


def cluster_sums(rows_MK: Floats, clusters_M: Ints | None) -> Floats:
    """[G, K]: the rows of each cluster added up; without clusters the rows themselves."""
    if clusters_M is None:
        return rows_MK
    names, member_M = np.unique(clusters_M, return_inverse=True)
    sums = np.zeros((len(names), rows_MK.shape[1]))
    np.add.at(sums, member_M, rows_MK)
    return sums


def clusters_of_sizes(sizes_M: ArrayLike) -> Ints:
    """The size of each run as a cluster; of one size alone each run is a cluster of its own."""
    names, member_M = np.unique(sizes_M, return_inverse=True)
    return np.asarray(member_M if len(names) > 1 else np.arange(len(member_M)), dtype=np.int64)


def wild_noise(left_out_M: Floats, clusters_M: Ints, degrees: int, draws: int, seed: int) -> Floats:
    """[draws, M]: what a wild bootstrap adds to a fit.

    Residuals of leaving each cluster out, times one weight of mean 0 and variance 1 for all runs of
    a cluster (Webb 2023), times Student's t of ``degrees`` or, if fewer, G - 1 over the Gaussian's
    1.96, since intervals are percentiles.
    """
    names, member_M = np.unique(clusters_M, return_inverse=True)
    values = np.concatenate([WEBB, -WEBB])
    weights = np.random.default_rng(seed).choice(values, size=(draws, len(names)))
    quantile = student_t.ppf(ENDS[1], min(degrees, len(names) - 1))
    return np.asarray(left_out_M * weights[:, member_M] * quantile / norm.ppf(ENDS[1]))
