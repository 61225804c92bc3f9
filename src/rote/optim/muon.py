"""Optimise matrices with Muon, norms and biases with AdamW.

Source: Jordan et al. 2024 (Muon): momentum, then the nearest orthogonal matrix by Newton-Schulz
iteration. They use AdamW for embeddings; here that is a choice, because models this small memorise
more without it. `torch.optim.Muon` handles one matrix at a time; here all matrices of one shape,
including those of stacked models, go through the iteration together.

Shapes: M matrices, R rows, C columns.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from rote.core.checks import require_flag, require_list, require_number
from rote.optim.pair import Pair

# Quintic iteration, as steep as possible at zero: singular values end between 0.7 and 1.2.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NUM_ITERATIONS = 5
LEAST_NORM = 1e-7


class Muon(Optimizer):
    """Orthogonalised Nesterov momentum; the last two dimensions of a weight are its matrix.

    Raises ValueError for a setting that is not a number from 0 up.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], *, lr: float, momentum: float, weight_decay: float
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        for name, value in settings.items():
            require_number(f"Muon's {name}", value, 0)
        super().__init__(weights, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        loss = closure() if closure else None
        for group in self.param_groups:
            weights = [one for one in group["params"] if one.grad is not None]
            if not weights:
                continue
            updates = orthogonalised(self._with_momentum(weights, group["momentum"]))
            if group["weight_decay"]:
                torch._foreach_mul_(weights, 1.0 - group["lr"] * group["weight_decay"])
            for widening, numbers in _alike(weights).items():
                torch._foreach_sub_(
                    [weights[number] for number in numbers],
                    [updates[number] for number in numbers],
                    alpha=group["lr"] * widening,
                )
        return loss

    def _with_momentum(self, weights: list[nn.Parameter], momentum: float) -> list[Tensor]:
        """Add momentum in one call for all weights: on a GPU a call costs more than its work."""
        gradients: list[Tensor] = [one.grad for one in weights if one.grad is not None]
        for weight, gradient in zip(weights, gradients, strict=True):
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(gradient)
        momenta = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1.0 - momentum)
        return list(torch._foreach_lerp(gradients, momenta, momentum))


def _alike(weights: list[nn.Parameter]) -> dict[float, list[int]]:
    """Group the weights by how much further they have to move, depending on their shapes.

    A tall matrix gets a larger update, so that its outputs move as much as those of a wide one.
    """
    alike: dict[float, list[int]] = {}
    for number, weight in enumerate(weights):
        rows, columns = weight.shape[-2:]
        alike.setdefault(math.sqrt(max(1.0, rows / columns)), []).append(number)
    return alike


def orthogonalised(matrices: list[Tensor]) -> list[Tensor]:
    """Return each [..., R, C] with singular values near 1; equal shapes form one batch."""
    flat = [one.mT if one.shape[-2] > one.shape[-1] else one for one in matrices]
    batches: dict[torch.Size, list[int]] = {}
    for number, one in enumerate(flat):
        batches.setdefault(one.shape[-2:], []).append(number)
    done: dict[int, Tensor] = {}
    for shape, numbers in batches.items():
        pieces = [flat[number].reshape(-1, *shape) for number in numbers]
        whole_MRC = _newton_schulz(torch.cat(pieces))
        sizes = [len(piece) for piece in pieces]
        for number, piece_MRC in zip(numbers, torch.split(whole_MRC, sizes), strict=True):
            done[number] = piece_MRC.view(flat[number].shape).to(flat[number].dtype)
    return [
        done[number].mT if one.shape[-2] > one.shape[-1] else done[number]
        for number, one in enumerate(matrices)
    ]


def _newton_schulz(matrices_MRC: Tensor) -> Tensor:
    """Iterate in bfloat16 on a GPU, as published, and in float32 on a CPU.

    A CPU gains nothing from bfloat16 at the sizes that it trains.
    """
    first, second, third = COEFFICIENTS
    kind = torch.bfloat16 if matrices_MRC.device.type == "cuda" else torch.float32
    whole_MRC = matrices_MRC.to(kind)
    norms = torch.linalg.vector_norm(whole_MRC, dim=(-2, -1), keepdim=True)
    whole_MRC = whole_MRC / norms.clamp(min=LEAST_NORM)
    for _ in range(NUM_ITERATIONS):
        gram_MRR = whole_MRC @ whole_MRC.mT
        polynomial_MRR = torch.baddbmm(gram_MRR, gram_MRR, gram_MRR, beta=second, alpha=third)
        whole_MRC = torch.baddbmm(whole_MRC, polynomial_MRR, whole_MRC, beta=first)
    return whole_MRC


def muon_with_adamw(
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    embeddings: bool,
    adamw_lr: float,
    adamw_betas: tuple[float, float],
) -> Pair:
    """Return both optimisers as one; ``lr`` and ``weight_decay`` are Muon's, AdamW has no decay.

    ``embeddings`` makes Muon train the embeddings too; their names identify them. Raises ValueError
    for a setting out of its range.
    """
    require_flag("optim.optimiser.embeddings", embeddings)
    require_list("optim.optimiser.adamw_betas", adamw_betas)
    if len(adamw_betas) != 2:
        raise ValueError(f"optim.optimiser.adamw_betas must be two numbers, got {adamw_betas!r}")
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, weight in named_parameters:
        is_matrix = weight.ndim == 2 and (embeddings or "embedding" not in name)
        (matrices if is_matrix else rest).append(weight)
    # A group may be empty, as where LoRA trains matrices alone; a list may not.
    betas = (adamw_betas[0], adamw_betas[1])
    return Pair(
        Muon(matrices, lr=lr, momentum=momentum, weight_decay=weight_decay),
        AdamW([{"params": rest}], lr=adamw_lr, betas=betas, weight_decay=0.0, fused=True),
    )
