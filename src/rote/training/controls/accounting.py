"""What steps of noisy gradients cost in privacy: Opacus' accountants, asked twice and no more.

epsilon is that of (epsilon, delta)-differential privacy for one training sequence more or less,
under Poisson sampling. Source: Abadi et al. 2016 (arXiv 1607.00133); RDP by Mironov et al. 2019
(arXiv 1908.10530), the tighter and slower PRV by Gopi et al. 2021 (arXiv 2106.02848).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

ACCOUNTANTS = ("rdp", "prv")
MAX_NOISE_MULTIPLIER = 1e5  # with more, nothing of a gradient is left


@lru_cache
def noise_multiplier(
    epsilon: float, delta: float, *, sample_rate: float, steps: int, accountant: str
) -> float:
    """Standard deviation of the noise, in clipping norms, that spends at most ``epsilon``.

    Raises ValueError where no noise is enough, or Opacus is missing.
    """
    spent = spent_epsilon(
        MAX_NOISE_MULTIPLIER, delta, sample_rate=sample_rate, steps=steps, accountant=accountant
    )
    if spent > epsilon:
        raise ValueError(
            f"control.dp_sgd.epsilon={epsilon} is out of reach: {steps} steps at sampling rate "
            f"{sample_rate:.3g} and delta {delta:g} cost {spent:.3g} or more by the {accountant} "
            "accountant, whatever the noise"
        )
    with _opacus():
        from opacus.accountants.utils import get_noise_multiplier  # type: ignore[import-untyped]

        return float(
            get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=sample_rate,
                steps=steps,
                accountant=accountant,
                epsilon_tolerance=0.01 * epsilon,
            )
        )


def spent_epsilon(
    noise_multiplier: float, delta: float, *, sample_rate: float, steps: int, accountant: str
) -> float:
    """After so many steps; raises ValueError where Opacus is missing."""
    with _opacus():
        from opacus.accountants import create_accountant  # type: ignore[import-untyped]

        counting = create_accountant(accountant)
        counting.history = [(noise_multiplier, sample_rate, steps)]
        return float(counting.get_epsilon(delta=delta))


@contextmanager
def _opacus() -> Iterator[None]:
    """It warns where its grid of orders ends, which makes a bound looser and no less true."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImportError as error:
        raise ValueError(f"control.dp_sgd needs pip install 'rote[dp]' ({error})") from error
