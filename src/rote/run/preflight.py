"""Check a run before it starts and predict its costs: parts are built, but nothing is trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from rote.config.build import build
from rote.config.host_and_log import AUTO, require_host, require_log
from rote.core.checks import require_whole
from rote.ledger.spec import Spec
from rote.measures.protocol import ChecksTask
from rote.models.contracts import require_causal, require_contract
from rote.run.looks import require_looks
from rote.run.peaks import Finishing, StackMemory
from rote.run.step import compile_mode, limits_gib, require_step, try_optim, whole_step
from rote.training.budget import Budget
from rote.training.controls.combined import Controls
from rote.training.controls.protocol import PlannedTraining
from rote.training.distributed import device_of
from rote.training.graphed import GRAPH
from rote.training.memory import ModelShape, StepMemory
from rote.training.stack import why_apart

MOST_TRIED = 20_000_000  # parameters of a model that is tried beforehand: larger ones take seconds

Built = TypeVar("Built")
# What parts raise for numbers of absurd size, and for keys that are missing or of a wrong type.
ODD = (LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError)


class _NoInitialisation(TorchFunctionMode):
    """Skip initialisation of weights that are only counted: meta normal_ costs 2 s at first."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The most that one run will cost."""

    parameters: int
    entropy_bits: float | None
    max_steps: int
    tokens_per_step: int
    finish_evaluations: int  # gradients of the whole training set, after the steps
    epoch_tokens: int  # of the training set
    trains_alone: bool  # even if the host makes stacks
    step: StepMemory  # of whole batches in a single process
    finish: Finishing | None
    optimiser_copies: float  # values that the optimiser keeps per weight
    limits: Mapping[str, float | None]  # of `StepMemory.cut`, in GiB
    is_graphed: bool  # one process records its steps, as a stack of one
    # On a GPU. None: it trains alone, or its model is not rote's, which vmap might refuse.
    stack: StackMemory | None

    @property
    def max_flops(self) -> float:
        """Return the FLOPs of all tokens: 6 P each if all parameters train and run once.

        `rote.models.count` has the other cases (Kaplan et al. 2020, section 2.1, without scores).
        """
        tokens = self.tokens_per_step * self.max_steps
        tokens += self.epoch_tokens * self.finish_evaluations
        return self.step.shape.flops_per_token * tokens

    def peak_bytes(self, processes: int) -> int:
        """Return the peak bytes of each process if so many train together."""
        step = replace(self.step, processes=processes)
        step = step.cut(optimiser_copies=self.optimiser_copies, **self.limits)
        if self.is_graphed and processes == 1 and step.num_microbatches == 1:
            step = replace(step, is_stacked=True)
        peak = step.peak_bytes(
            optimiser_copies=self.optimiser_copies,
            recomputed=step.is_recomputed(self.limits["recompute_above_gib"]),
        )
        return max(peak, self.finish.peak_bytes()) if self.finish else peak


@dataclass(frozen=True, kw_only=True)
class _Data:
    """The facts about a task; the task itself may be large and is released."""

    vocab_size: int
    length: int
    num_sequences: int
    entropy_bits: float | None


@dataclass
class Preflight:
    """Checks specs; use one for a whole grid, because it builds each distinct part once."""

    _known: dict[str, Any] = field(default_factory=dict)

    def facts(self, spec: Spec) -> Facts:
        """Return the facts of a run; raises ValueError with one line if it could not run."""
        try:
            return self._facts(spec)
        except ODD as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"run {spec.run_id} cannot be built ({reason})") from error

    def _facts(self, spec: Spec) -> Facts:
        what, host = spec.what, spec.how["host"]
        require_whole("seed", what["seed"], 0)
        self._once([host, "host"], partial(require_host, host))
        self._once([spec.how["log"], "log"], partial(require_log, spec.how["log"]))
        require_looks(spec)
        data = self._once([what["task"]], partial(_look_at, what["task"]))
        budget = self._once([what["budget"]], partial(build, what["budget"]))
        finish = budget.finish
        precision = self._once([what["precision"]], partial(build, what["precision"]))
        for config in what["measure"].values():
            measure = self._once([config], partial(build, config))
            if isinstance(measure, ChecksTask):
                self._once([config, what["task"]], partial(_check_task, measure, what["task"]))
        controls = Controls()
        if spec.controls:
            key = [spec.controls, what["task"], what["model"], what["budget"], host["compile"]]
            controls = self._once(key, partial(_checked_controls, spec, budget))
        shape, built = self._model(what["model"], (data.vocab_size, data.length), controls)
        _check_finish(spec, budget, controls)
        require_step(spec, built, precision)
        device_type = device_of(host["accelerator"]).type
        precision.check(
            device_type=device_type, strategy=host["strategy"], has_finish=finish is not None,
            has_own_gradients=controls.gradients is not None,
        )  # fmt: skip
        steps, optim = budget.max_steps, what["optim"]
        optimiser, copies = self._once([optim, steps], partial(try_optim, optim, steps))
        batch_size = min(budget.batch_size, data.num_sequences)
        step = whole_step(
            spec, shape, precision, controls, batch_size=batch_size, length=data.length, processes=1
        )
        why = why_apart(built, [optimiser]) or controls.why_alone or precision.why_alone
        limits = limits_gib(spec)
        alone = bool(why) or step.cut(optimiser_copies=copies, **limits).num_microbatches > 1
        mode = compile_mode(spec, shape.parameters, device_type=device_type)
        is_foreign = not what["model"]["_target_"].startswith("rote.")
        return Facts(
            parameters=shape.parameters,
            entropy_bits=data.entropy_bits,
            max_steps=steps,
            tokens_per_step=batch_size * data.length,
            finish_evaluations=finish.max_evaluations if finish else 0,
            epoch_tokens=data.num_sequences * data.length,
            trains_alone=alone,
            step=step,
            finish=Finishing.of(step, finish, data.num_sequences) if finish else None,
            optimiser_copies=copies,
            limits=limits,
            is_graphed=mode == GRAPH and not (step.on_cpu or alone),
            stack=None if alone or is_foreign else StackMemory.of(step, finish, copies),
        )

    def parameters(self, config: Mapping[str, Any]) -> int:
        """Return the exact number of parameters, from a model on the meta device."""
        # Only the task's shape: a point of a grid may derive its number of sequences from this
        # count.
        shape = self._once([config["task"], "shape"], partial(_shape, config["task"]))
        return self._model(config["model"], shape, Controls())[0].parameters

    def _model(
        self, model: Mapping[str, Any], shape: tuple[int, int], controls: Controls
    ) -> tuple[ModelShape, nn.Module]:
        key = [model, *shape, controls]
        return self._once(key, partial(_look_inside, model, *shape, controls))

    def _once(self, key: Sequence[Any], make: Callable[[], Built]) -> Built:
        text = repr(key)  # not JSON, which would refuse NaN before the part that reports it
        if text not in self._known:
            self._known[text] = make()
        return self._known[text]


def _shape(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return vocabulary size and length."""
    task = build(config)
    return task.vocab_size, task.length


def _look_at(config: Mapping[str, Any]) -> _Data:
    task = build(config)
    return _Data(
        vocab_size=task.vocab_size,
        length=task.length,
        num_sequences=task.train(0).num_sequences,
        entropy_bits=task.entropy_bits(),
    )


def _check_finish(spec: Spec, budget: Budget, controls: Controls) -> None:
    """Raises ValueError if the second phase would undo a choice."""
    if budget.finish is None:
        return
    undone = [f"control.{name}" for name in controls.beyond_data]
    if spec.what["optim"]["optimiser"].get("weight_decay"):
        undone.append("optim.optimiser.weight_decay")
    if undone:
        raise ValueError(
            f"budget.finish takes the plain loss of the whole training set to a minimum, which "
            f"would undo {undone[0]}: choose one of the two"
        )


def _check_task(measure: ChecksTask, task: Mapping[str, Any]) -> None:
    measure.check(build(task))


def _checked_controls(spec: Spec, budget: Budget) -> Controls:
    """Check the controls with the task and model of the run; both are released."""
    what, mode = spec.what, spec.how["host"]["compile"]
    controls = Controls.of(spec.controls, build)
    task = build(what["task"])
    sequences = controls.change_sequences(task.train(0), length=task.length)
    controls.check(
        PlannedTraining(
            task=task,
            model=_on_meta(what["model"], task.vocab_size, task.length),
            num_sequences=sequences.num_sequences,
            budget=budget,
            compile_mode=None if mode == AUTO else mode,
        )
    )
    return controls


def _look_inside(
    model: Mapping[str, Any], vocab_size: int, length: int, controls: Controls
) -> tuple[ModelShape, nn.Module]:
    """Return what memory is counted from, and the model, which has no values."""
    built = _on_meta(model, vocab_size, length)
    require_contract(built, vocab_size=vocab_size)
    shape = ModelShape.of(built)
    is_own = type(built).__module__.startswith("rote.")  # our own models are tested
    if not is_own and shape.parameters <= MOST_TRIED:
        tried: nn.Module = build(model, vocab_size=vocab_size, max_length=length)
        require_causal(tried, vocab_size=vocab_size, length=length)
    controls.change_model(built)
    return ModelShape.of(built), built


def _on_meta(model: Mapping[str, Any], vocab_size: int, length: int) -> nn.Module:
    with torch.device("meta"), _NoInitialisation():
        built: nn.Module = build(model, vocab_size=vocab_size, max_length=length)
        return built
