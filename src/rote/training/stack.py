"""Advance runs of one shape together: K models in parameters with a leading axis of runs.

The forward pass uses `torch.func.vmap`, so the model needs no changes. Nothing is summed over runs:
each has its own data, rates and gradient norm, and one that diverges does not affect others.
Shapes: K runs, B batch, L positions.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RAdam

from rote.models.count import named_trainable
from rote.optim.muon import Muon
from rote.optim.pair import Pair
from rote.optim.soap import Soap
from rote.precision import Precision
from rote.training.functional import stacked_model, stacked_weights
from rote.training.graphed import Graphed, Step, compiled, is_recordable, is_recorded
from rote.training.objective import Objective
from rote.training.training_run import MakeOptimiser

# The update of each number depends on its own gradients alone and is proportional to the rate.
ELEMENTWISE = (Adam, AdamW, NAdam, RAdam, SGD)
MATRIXWISE = (Muon, Soap)  # likewise for each matrix; runs of a stack stay separate

PLAIN = Objective()
ChangeGradients = Callable[[int, Sequence[Tensor]], None]  # of one run, in place


class CannotStack(ValueError):
    """These runs have to train one by one."""


class Stack:
    """Models and optimisers of K runs at one step.

    They may differ in weights, optimiser state and learning rates; CannotStack is raised if they
    differ in more.
    """

    def __init__(
        self,
        *,
        models: Sequence[nn.Module],
        optimisers: Sequence[MakeOptimiser],
        clip_norm: float | None,
        precision: Precision,
        compile_mode: str | None = None,
        objective: Objective = PLAIN,
    ) -> None:
        self.objective = objective
        self.template = copy.deepcopy(models[0]).to("meta")
        self.clip_norm = clip_norm
        self.precision = precision
        self._losses = compiled(self._plain_losses, compile_mode)
        self.compile_mode = compile_mode
        own = [make(named_trainable(model)) for make, model in zip(optimisers, models, strict=True)]
        if why := why_apart(models[0], own):
            raise CannotStack(why)
        first = dict(models[0].named_parameters())
        self.parameters = {
            name: nn.Parameter(one, first[name].requires_grad)
            for name, one in stacked_weights(models, first).items()
        }
        self.device = next(iter(self.parameters.values())).device
        self.optimiser = own[0]
        _give(self.optimiser, {id(first[name]): one for name, one in self.parameters.items()})
        groups = zip(*(one.param_groups for one in own), strict=True)
        # Peak rates of each parameter group, [K].
        self.peaks = [
            torch.tensor([g["lr"] for g in group], device=self.device) for group in groups
        ]
        self._record()

    def __len__(self) -> int:
        return len(self.peaks[0])

    def step(
        self,
        tokens_KBL: Tensor,
        fractions_K: Tensor,
        change: ChangeGradients | None = None,
    ) -> Tensor:
        """Update every run at its fraction of its rates; return nats per token before that, [K]."""
        nats_K: Tensor = self._to_gradients(tokens_KBL)
        if change:
            gradients = self._all_gradients()
            for run in range(len(self)):
                change(run, [one[run] for one in gradients])
        if not self._is_recordable:
            self._move()
        self._to_weights(fractions_K)
        return nats_K

    def weights(self, run: int) -> dict[str, Tensor]:
        """Return copies of a run's weights, named as in the model."""
        return {name: weight[run].detach().clone() for name, weight in self.parameters.items()}

    def optimiser_state(self, run: int) -> dict[str, Any]:
        """Return a run's optimiser state as its own optimiser would."""
        return _of_each(lambda whole: whole[run].clone(), [self.optimiser.state_dict()])

    def load_optimiser_states(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Load states from `optimiser_state` or from each run's own optimiser."""
        self.optimiser.load_state_dict(_of_each(lambda *each: torch.stack(each), states))

    def keep(self, runs: Sequence[int]) -> None:
        """Remove all other runs; the rest are renumbered in this order."""
        index = torch.tensor(runs, device=self.device)
        for part in _parts(self.optimiser):
            for weight, state in part.state.items():
                part.state[weight] = _of_each(lambda whole: whole[index], [state])
        for weight in self.parameters.values():
            weight.data = weight.data[index]
        self.peaks = [peaks[index] for peaks in self.peaks]
        self._record()

    def _record(self) -> None:
        """Make new graphs for this number of runs; on a CPU call the steps themselves.

        There are two, because controls may change the gradients in between, and an optimiser that
        cannot be recorded moves the weights there.
        """
        parts = _parts(self.optimiser)
        self._is_recordable = all(map(is_recordable, parts))
        self._to_gradients: Step = self._gradients
        self._to_weights: Step = self._updated if self._is_recordable else self._scale
        if is_recorded(self.compile_mode, self.device):
            self._to_gradients = Graphed(self._to_gradients)
            self._to_weights = Graphed(self._to_weights, parts if self._is_recordable else ())

    def _gradients(self, tokens_KBL: Tensor) -> Tensor:
        """Compute clipped gradients and copy the weights for `_scale`; return nats, [K]."""
        self.optimiser.zero_grad()
        self.before: list[Tensor] = []  # frees the last step's before activations need memory
        with self.precision.active(tokens_KBL.device.type):
            trained_K, nats_K = self._losses(tokens_KBL)
            self.precision.scaled(trained_K.sum()).backward()  # type: ignore[no-untyped-call]
        self.precision.unscale(self._all_gradients())
        if self.clip_norm is not None:
            self._clip(self.clip_norm)
        self.before += [weight.detach().clone() for weight in self._trained()]
        return nats_K.detach()

    def _plain_losses(self, tokens_KBL: Tensor) -> tuple[Tensor, Tensor]:
        """Return the training loss and the plain cost of a token, in nats, [K] each."""
        model = stacked_model(self.template, self.parameters, num_sets=len(self))
        trained_NL, nats_NL = self.objective.of_tokens(model, tokens_KBL.flatten(0, 1), len(self))
        nats_K = nats_NL.view(len(self), -1, nats_NL.shape[1]).mean(dim=(1, 2))
        if trained_NL is nats_NL:
            return nats_K, nats_K
        return trained_NL.view(len(self), -1, nats_NL.shape[1]).mean(dim=(1, 2)), nats_K

    def _trained(self) -> list[nn.Parameter]:
        return [weight for weight in self.parameters.values() if weight.requires_grad]

    def _all_gradients(self) -> list[Tensor]:
        return [weight.grad for weight in self.parameters.values() if weight.grad is not None]

    def _clip(self, max_norm: float) -> None:
        """Clip each run like `torch.nn.utils.clip_grad_norm_`."""
        gradients = self._all_gradients()
        squares = [one.flatten(1).float().square().sum(1) for one in gradients]
        scale_K = (max_norm / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1.0)
        for one in gradients:
            one.mul_(_along(scale_K, one))

    def _updated(self, fractions_K: Tensor) -> None:
        self._move()
        self._scale(fractions_K)

    def _move(self) -> None:
        """Step the optimiser at lr = 1."""
        for group in self.optimiser.param_groups:
            group["lr"] = 1.0
        self.optimiser.step()

    def _scale(self, fractions_K: Tensor) -> None:
        """Scale the update by each run's rate."""
        rates = {
            id(weight): peaks * fractions_K
            for peaks, group in zip(self.peaks, self.optimiser.param_groups, strict=True)
            for weight in group["params"]
        }
        with torch.no_grad():
            for weight, start in zip(self._trained(), self.before, strict=True):
                weight.copy_(torch.lerp(start, weight, _along(rates[id(weight)], weight)))


def why_apart(model: nn.Module, optimisers: Sequence[Optimizer]) -> str | None:
    """Return why such models cannot train together, if they cannot."""
    if any(True for _ in model.buffers()):
        return "the model has buffers"
    if any(isinstance(part, nn.Dropout) and part.p for part in model.modules()):
        return "dropout would draw one mask for all runs"
    for part in _parts(optimisers[0]):
        if not isinstance(part, (*ELEMENTWISE, *MATRIXWISE)):
            return f"{type(part).__name__} may look at more than one weight at a time"
    plain = [[{**group, "lr": 0, "params": 0} for group in one.param_groups] for one in optimisers]
    if any(one != plain[0] for one in plain):
        return "optimisers differ in more than their rates"
    return None


def _parts(optimiser: Optimizer) -> tuple[Optimizer, ...]:
    return optimiser.parts if isinstance(optimiser, Pair) else (optimiser,)


def _give(optimiser: Optimizer, instead: Mapping[int, nn.Parameter]) -> None:
    """Make the optimiser train these weights; it has not stepped yet."""
    for group in optimiser.param_groups:
        group["params"] = [instead[id(weight)] for weight in group["params"]]


def _of_each(change: Callable[..., Tensor], states: Sequence[Any]) -> Any:
    """Merge states of equal nesting into one; scalar tensors are equal in all and have no axis."""
    first = states[0]
    if isinstance(first, Tensor):
        return change(*states) if first.ndim else first
    if isinstance(first, Mapping):
        return {key: _of_each(change, [state[key] for state in states]) for key in first}
    if isinstance(first, list | tuple):
        return type(first)(_of_each(change, each) for each in zip(*states, strict=True))
    return first


def _along(values_K: Tensor, weight: Tensor) -> Tensor:
    """Reshape [K] -> [K, 1, ...] to broadcast over a stacked weight."""
    return values_K.to(weight.dtype).view(-1, *[1] * (weight.ndim - 1))
