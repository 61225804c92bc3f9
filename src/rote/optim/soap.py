"""Optimise matrices with SOAP, norms and biases with Adam.

Source: Vyas et al. 2024 (arXiv 2409.11321): Adam in the eigenbases of Shampoo's two factors; every
few updates one step of subspace iteration refreshes the bases. Here embeddings count as matrices.
All matrices of one shape are computed together, including those of stacked models.

Shapes: M matrices of one shape, R rows, C columns, N either of the two; "..." is the stack.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from rote.core.checks import require_list, require_number, require_whole
from rote.optim.pair import Pair

MOMENTS = ("mean", "square")  # Adam's, in the eigenbases
# A larger side is not rotated: its factor would cost more than the model (Vyas et al., section 4).
LARGEST_SIDE = 512


class Soap(Optimizer):
    """SOAP; the last two dimensions of a weight are its matrix.

    The first update only makes the bases from the gradient and moves no weight. Raises ValueError
    for a setting out of its range.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        *,
        lr: float,
        betas: tuple[float, float],
        factor_beta: float,
        refresh_every_steps: int,
        eps: float,
        weight_decay: float,
    ) -> None:
        settings = {"lr": lr, "eps": eps, "weight_decay": weight_decay}
        for name, value in settings.items():
            require_number(f"optim.optimiser.{name}", value, 0)
        require_list("optim.optimiser.betas", betas)
        if len(betas) != 2:
            raise ValueError(f"optim.optimiser.betas must be two numbers, got {betas!r}")
        for name, value in (
            *((f"betas[{n}]", b) for n, b in enumerate(betas)),
            ("factor_beta", factor_beta),
        ):
            require_number(f"optim.optimiser.{name}", value, 0, below=1)
        require_whole("optim.optimiser.refresh_every_steps", refresh_every_steps, 1)
        super().__init__(
            weights,
            settings
            | {
                "betas": tuple(betas),
                "factor_beta": factor_beta,
                "refresh_every_steps": refresh_every_steps,
            },
        )
        self._batches: list[_Batch] = []

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every weight; either all weights have gradients or none has."""
        loss = closure() if closure else None
        for group in self.param_groups:
            weights = [one for one in group["params"] if one.grad is not None]
            for batch in self._batches_of(weights):
                batch.step(group)
        return loss

    def _batches_of(self, weights: list[nn.Parameter]) -> list["_Batch"]:
        """Return the batches, rebuilt if a checkpoint or a stack has replaced their states."""
        same = [weight for batch in self._batches for weight in batch.weights]
        if len(same) != len(weights) or not all(one.is_of(self.state) for one in self._batches):
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for weight in weights:
                by_shape.setdefault(weight.shape, []).append(weight)
            self._batches = [_Batch(each, self.state) for each in by_shape.values()]
        return self._batches


class _Batch:
    """Weights of one shape; the state of each weight is a view into one tensor for all of them."""

    def __init__(self, weights: list[Tensor], state: Any) -> None:
        self.weights = weights
        self.states = [state[weight] for weight in weights]
        first = weights[0]
        self.sides = [side for side in (-2, -1) if first.shape[side] <= LARGEST_SIDE]
        if not self.states[0]:
            for one in self.states:
                one |= {"step": 0} | {name: torch.zeros_like(first).float() for name in MOMENTS}
                for side in self.sides:
                    eye = torch.eye(first.shape[side], device=first.device)
                    whole = eye.expand(*first.shape[:-2], *eye.shape)
                    one |= {f"factor{side}": whole * 0.0, f"basis{side}": whole * 1.0}
        names = [name for name in self.states[0] if name != "step"]
        self.whole = {name: torch.stack([one[name] for one in self.states]) for name in names}
        for name, whole in self.whole.items():
            for one, view in zip(self.states, whole, strict=True):
                one[name] = view
        self._shown = [one["mean"] for one in self.states]

    def is_of(self, state: Any) -> bool:
        """Return whether the optimiser still holds these views."""
        pairs = zip(self.weights, self._shown, strict=True)
        return all(state[weight].get("mean") is view for weight, view in pairs)

    def step(self, group: dict[str, Any]) -> None:
        """Run one update; the first one only makes the bases."""
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        whole_MRC = torch.stack(gradients).float()
        steps = self.states[0]["step"]
        if steps:
            self._update(whole_MRC, steps, group)
        self._follow(whole_MRC, group["factor_beta"] if steps else 0.0)
        if steps % group["refresh_every_steps"] == 0:
            self._refresh(first=not steps)
        for one in self.states:
            one["step"] = steps + 1

    def _update(self, gradient_MRC: Tensor, steps: int, group: dict[str, Any]) -> None:
        mean_beta, square_beta = group["betas"]
        mean_MRC, square_MRC = self.whole["mean"], self.whole["square"]
        turned_MRC = self._turned(gradient_MRC)
        mean_MRC.lerp_(turned_MRC, 1 - mean_beta)
        square_MRC.mul_(square_beta).addcmul_(turned_MRC, turned_MRC, value=1 - square_beta)
        scale = math.sqrt(1 - square_beta**steps) / (1 - mean_beta**steps)
        root_MRC = square_MRC.sqrt().add_(group["eps"])
        updates = self._turned_back(mean_MRC / root_MRC).unbind()
        if group["weight_decay"]:
            torch._foreach_mul_(self.weights, 1.0 - group["lr"] * group["weight_decay"])
        kinds = [one.to(self.weights[0].dtype) for one in updates]
        torch._foreach_add_(self.weights, kinds, alpha=-group["lr"] * scale)

    def _follow(self, gradient_MRC: Tensor, beta: float) -> None:
        """Update the factors: running means of G G^T and G^T G."""
        for side in self.sides:
            square = (
                gradient_MRC @ gradient_MRC.mT if side == -2 else gradient_MRC.mT @ gradient_MRC
            )
            self.whole[f"factor{side}"].lerp_(square, 1 - beta)

    def _refresh(self, *, first: bool) -> None:
        """Compute new bases; move the means into them, and only reorder the squares."""
        mean_MRC = self._turned_back(self.whole["mean"])
        for side in self.sides:
            factor, basis = self.whole[f"factor{side}"], self.whole[f"basis{side}"]
            if first:
                basis.copy_(torch.linalg.eigh(factor).eigenvectors.flip(-1))
                continue
            turned = factor @ basis
            order_MN = (basis * turned).sum(-2).argsort(dim=-1, descending=True)
            columns = order_MN[..., None, :].expand(basis.shape)
            basis.copy_(torch.linalg.qr(turned.gather(-1, columns)).Q)
            square = self.whole["square"]
            along = order_MN[..., :, None] if side == -2 else order_MN[..., None, :]
            square.copy_(square.gather(side, along.expand(square.shape)))
        self.whole["mean"].copy_(self._turned(mean_MRC))

    def _turned(self, matrices_MRC: Tensor) -> Tensor:
        """Rotate into the eigenbases."""
        if -2 in self.sides:
            matrices_MRC = self.whole["basis-2"].mT @ matrices_MRC
        return matrices_MRC @ self.whole["basis-1"] if -1 in self.sides else matrices_MRC

    def _turned_back(self, matrices_MRC: Tensor) -> Tensor:
        if -2 in self.sides:
            matrices_MRC = self.whole["basis-2"] @ matrices_MRC
        return matrices_MRC @ self.whole["basis-1"].mT if -1 in self.sides else matrices_MRC


def soap_with_adamw(named_parameters: Iterable[tuple[str, nn.Parameter]], **settings: Any) -> Pair:
    """Return both optimisers as one at one rate; ``settings`` are `Soap`'s; AdamW has no decay."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for _, weight in named_parameters:
        (matrices if weight.ndim == 2 else rest).append(weight)
    soap = Soap(matrices, **settings)
    shared = {name: soap.defaults[name] for name in ("lr", "betas", "eps")}
    return Pair(soap, AdamW([{"params": rest}], weight_decay=0.0, fused=True, **shared))
