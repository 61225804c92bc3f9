"""Train with DP-SGD: clip the gradient of each sequence, sum them, add Gaussian noise.

Source: Abadi et al. 2016 (arXiv 1607.00133). Privacy protects one training sequence; a sequence
that occurs twice is not protected as one. Any optimiser may follow: what it does with a private
gradient spends no more privacy. The gradients are our own, because Opacus' hooks do not see a head
tied to the embedding.

Opacus' accountants compute the epsilon of (epsilon, delta)-differential privacy for one training
sequence more or less, under Poisson sampling. RDP is by Mironov et al. 2019 (arXiv 1908.10530); PRV
by Gopi et al. 2021 (arXiv 2106.02848) is tighter and slower.

Shapes: B batch, b sequences at once, L positions.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from rote.core.checks import require_number, require_positive, require_whole
from rote.core.rng import generator
from rote.models.count import named_trainable
from rote.training.controls.protocol import Facts, PlannedTraining
from rote.training.data import PoissonOrder
from rote.training.functional import per_sample_gradients, with_own_weights
from rote.training.objective import Objective

ACCOUNTANTS = ("rdp", "prv")
MAX_NOISE_MULTIPLIER = 1e5  # more noise would leave nothing of a gradient


@lru_cache
def noise_multiplier(
    epsilon: float, delta: float, *, sample_rate: float, steps: int, accountant: str
) -> float:
    """Return the standard deviation of noise, in clipping norms, that spends at most ``epsilon``.

    Raises ValueError if no noise is enough, or if Opacus is missing.
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
        from opacus.accountants.utils import get_noise_multiplier

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
    """Return the epsilon spent by ``steps`` steps; raises ValueError if Opacus is missing."""
    with _opacus():
        from opacus.accountants import create_accountant

        counting = create_accountant(accountant)
        counting.history = [(noise_multiplier, sample_rate, steps)]
        return float(counting.get_epsilon(delta=delta))


@contextmanager
def _opacus() -> Iterator[None]:
    """Silence Opacus' warning that its grid of orders ends: the bound is looser but still valid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImportError as error:
        raise ValueError(f"control.dp_sgd needs pip install 'rote[dp]' ({error})") from error


LEAST_READ = 21  # mean sequences a stride: it reads none with probability e^-21, one in a billion
LEAST_NORM = 1e-6


@dataclass(frozen=True, kw_only=True)
class DPSGD:
    """Settings of DP-SGD; raises ValueError for numbers that are no privacy budget."""

    epsilon: float  # spent by all of budget.max_steps; less if training ends early
    delta: float
    max_grad_norm: float  # of one sequence's gradient
    microbatch_size: int  # sequences whose gradients are held at once: only memory depends on it
    accountant: str  # rdp, or prv: tighter and slower

    def __post_init__(self) -> None:
        for name in ("epsilon", "max_grad_norm"):
            require_positive(f"control.dp_sgd.{name}", getattr(self, name))
        require_number("control.dp_sgd.delta", self.delta, 0, below=1)
        require_whole("control.dp_sgd.microbatch_size", self.microbatch_size, 1)
        if self.accountant not in ACCOUNTANTS:
            raise ValueError(
                f"control.dp_sgd.accountant={self.accountant!r}: choose from {ACCOUNTANTS}"
            )

    def check(self, planned: PlannedTraining) -> None:
        """Check the layers, the privacy budget, and that each stride reads enough sequences."""
        if planned.compile_mode is not None:
            raise ValueError("control.dp_sgd does not go with host.compile: set it to null")
        self._check_model(planned.model, planned.task.length)
        shortest = len(planned.budget.strides()[-1])
        if planned.batch_size * shortest < LEAST_READ:
            raise ValueError(
                f"control.dp_sgd reads batches of random size: {shortest} steps of "
                f"{planned.batch_size} between two looks at the loss may read nothing, "
                f"take {LEAST_READ} sequences or more"
            )
        self.begin(
            num_sequences=planned.num_sequences,
            batch_size=planned.batch_size,
            max_steps=planned.budget.max_steps,
            seed=0,
        )

    def begin(
        self, *, num_sequences: int, batch_size: int, max_steps: int, seed: int
    ) -> "PrivateGradients":
        """Choose the noise that meets the privacy budget."""
        if not 0 < self.delta < 1 / num_sequences:
            raise ValueError(
                f"control.dp_sgd.delta={self.delta:g} must be above 0 and below one over the "
                f"{num_sequences:,} training sequences: else one of them may be given away"
            )
        order = PoissonOrder(num_sequences=num_sequences, batch_size=batch_size, seed=seed)
        noise = noise_multiplier(
            self.epsilon,
            self.delta,
            sample_rate=order.sample_rate,
            steps=max_steps,
            accountant=self.accountant,
        )
        return PrivateGradients(settings=self, order=order, noise_multiplier=noise, seed=seed)

    def _check_model(self, model: nn.Module, length: int) -> None:
        """Validate the layers with Opacus, then try vmap to find what it does not support."""
        from opacus.validators import ModuleValidator

        if errors := ModuleValidator.validate(model):
            raise ValueError(f"control.dp_sgd: {_first_line(errors[0])}")
        tokens_BL = torch.zeros(2, length, dtype=torch.int64, device="meta")
        try:
            logits, moved = with_own_weights(model, len(tokens_BL))
            total = logits(tokens_BL).sum()
            torch.autograd.grad(total, list(moved.values()), materialize_grads=True)
        except (RuntimeError, NotImplementedError, ValueError) as error:
            raise ValueError(
                f"control.dp_sgd: no gradients of single sequences from {type(model).__name__}: "
                f"{_first_line(error)}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class PrivateGradients:
    """Computes the private gradients of one run."""

    settings: DPSGD
    order: PoissonOrder
    noise_multiplier: float  # standard deviation of the noise on the sum, in clipping norms
    seed: int

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, *, step: int, objective: Objective
    ) -> Tensor:
        """Divide by the expected batch size: the actual batch size would leak membership.

        The loss is divided by it too.
        """
        weights = dict(named_trainable(model))
        sums = {name: torch.zeros_like(one, dtype=torch.float32) for name, one in weights.items()}
        loss = torch.zeros((), dtype=torch.float64, device=tokens_BL.device)
        for start in range(0, len(tokens_BL), self.settings.microbatch_size):
            part_bL = tokens_BL[start : start + self.settings.microbatch_size]
            gradients, nats_b = per_sample_gradients(model, part_bL, objective)
            _add_clipped(sums, gradients, self.settings.max_grad_norm)
            loss += nats_b.sum(dtype=torch.float64)
        self._add_noise(sums, step)
        for name, weight in weights.items():
            weight.grad = (sums[name] / self.order.batch_size).to(weight.dtype)
        return loss / self.order.batch_size

    def facts(self, steps: int) -> Facts:
        """Return the privacy spent by the steps taken."""
        spent = spent_epsilon(
            self.noise_multiplier,
            self.settings.delta,
            sample_rate=self.order.sample_rate,
            steps=steps,
            accountant=self.settings.accountant,
        )
        return {
            "epsilon": spent,
            "delta": self.settings.delta,
            "noise_multiplier": self.noise_multiplier,
            "sample_rate": self.order.sample_rate,
        }

    def _add_noise(self, sums: Mapping[str, Tensor], step: int) -> None:
        """Add noise that depends on seed and step: anybody with the seed can compute it."""
        std = self.noise_multiplier * self.settings.max_grad_norm
        draws = generator(self.seed, "private noise", step, device=next(iter(sums.values())).device)
        for total in sums.values():
            total.add_(torch.empty_like(total).normal_(generator=draws), alpha=std)


def _add_clipped(
    sums: Mapping[str, Tensor], gradients: Mapping[str, Tensor], max_norm: float
) -> None:
    """Clip each sequence's gradient to ``max_norm`` and add it, in float32."""
    squares_b = sum(one.flatten(1).float().square().sum(1) for one in gradients.values())
    assert isinstance(squares_b, Tensor)
    scale_b = (max_norm / (squares_b.sqrt() + LEAST_NORM)).clamp(max=1.0)
    for name, one in gradients.items():
        sums[name].add_(torch.tensordot(scale_b, one.float(), dims=1))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
