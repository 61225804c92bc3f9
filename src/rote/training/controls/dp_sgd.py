"""DP-SGD: gradients of single sequences, clipped, summed, with Gaussian noise.

Source: Abadi et al. 2016 (arXiv 1607.00133). What is protected is one training sequence: one that
stands there twice is not covered as one. Opacus accounts for the privacy; gradients are our own,
since its hooks do not see a head tied to the embedding. Any optimiser may follow: what it does with
a private gradient costs nothing more.
Shapes: B batch, b sequences at once, L positions.

What steps of noisy gradients cost in privacy: Opacus' accountants, asked twice and no more.

epsilon is that of (epsilon, delta)-differential privacy for one training sequence more or less,
under Poisson sampling. Source: Abadi et al. 2016 (arXiv 1607.00133); RDP by Mironov et al. 2019
(arXiv 1908.10530), the tighter and slower PRV by Gopi et al. 2021 (arXiv 2106.02848).
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
from rote.training.functional import own_logits, own_weights, per_sample_gradients
from rote.training.objective import Objective

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
    """After so many steps; raises ValueError where Opacus is missing."""
    with _opacus():
        from opacus.accountants import create_accountant

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


LEAST_READ = 21  # sequences a stride on average: e^-21, one in a billion, that it reads none
LEAST_NORM = 1e-6


@dataclass(frozen=True, kw_only=True)
class DPSGD:
    """Raises ValueError for numbers that are no budget."""

    epsilon: float  # spent when all of budget.max_steps are taken; less where training ends early
    delta: float
    max_grad_norm: float  # of one sequence's gradient
    microbatch_size: int  # sequences whose gradients are held at once: a matter of memory
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

    def check(self, prospect: PlannedTraining) -> None:
        """Layers, budget of privacy, and enough to read between two looks."""
        if prospect.compile_mode is not None:
            raise ValueError("control.dp_sgd does not go with host.compile: set it to null")
        self._check_model(prospect.model, prospect.task.length)
        shortest = len(prospect.budget.strides()[-1])
        if prospect.batch_size * shortest < LEAST_READ:
            raise ValueError(
                f"control.dp_sgd reads batches of random size: {shortest} steps of "
                f"{prospect.batch_size} between two looks at the loss may read nothing, "
                f"take {LEAST_READ} sequences or more"
            )
        self.begin(
            num_sequences=prospect.num_sequences,
            batch_size=prospect.batch_size,
            max_steps=prospect.budget.max_steps,
            seed=0,
        )

    def begin(
        self, *, num_sequences: int, batch_size: int, max_steps: int, seed: int
    ) -> "PrivateGradients":
        """With the noise that its budget asks for."""
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
        """Opacus knows layers that mix sequences; what vmap cannot do shows when it is tried."""
        from opacus.validators import ModuleValidator

        if errors := ModuleValidator.validate(model):
            raise ValueError(f"control.dp_sgd: {_first_line(errors[0])}")
        tokens_BL = torch.zeros(2, length, dtype=torch.int64, device="meta")
        try:
            own = own_weights(model, len(tokens_BL))
            logits = own_logits(model, own, len(tokens_BL))
            moved = [weight for weight in own.values() if weight.requires_grad]
            torch.autograd.grad(logits(tokens_BL).sum(), moved, materialize_grads=True)
        except (RuntimeError, NotImplementedError, ValueError) as error:
            raise ValueError(
                f"control.dp_sgd: no gradients of single sequences from {type(model).__name__}: "
                f"{_first_line(error)}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class PrivateGradients:
    """Takes the gradients of one run."""

    settings: DPSGD
    order: PoissonOrder
    noise_multiplier: float  # standard deviation of the noise on the sum, in clipping norms
    seed: int

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, *, step: int, objective: Objective
    ) -> Tensor:
        """Divided by the expected batch size, as is the loss: the true one would tell of it."""
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
        """What the steps taken have spent."""
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
        """A function of seed and step: who knows the seed knows the noise."""
        std = self.noise_multiplier * self.settings.max_grad_norm
        draws = generator(self.seed, "private noise", step, device=next(iter(sums.values())).device)
        for total in sums.values():
            total.add_(torch.empty_like(total).normal_(generator=draws), alpha=std)


def _add_clipped(
    sums: Mapping[str, Tensor], gradients: Mapping[str, Tensor], max_norm: float
) -> None:
    """Each sequence's gradient at most so long, summed in float32."""
    squares_b = sum(one.flatten(1).float().square().sum(1) for one in gradients.values())
    assert isinstance(squares_b, Tensor)
    scale_b = (max_norm / (squares_b.sqrt() + LEAST_NORM)).clamp(max=1.0)
    for name, one in gradients.items():
        sums[name].add_(torch.tensordot(scale_b, one.float(), dims=1))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
