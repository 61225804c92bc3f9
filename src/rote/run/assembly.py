"""Build a training run from its spec: model, data, order, optimiser, budget."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from rote.config.build import build
from rote.core.rng import stream_seed
from rote.core.units import uniform_bits
from rote.ledger.spec import Spec
from rote.models.contracts import require_causal, require_contract
from rote.models.count import trainable_parameters
from rote.run.step import compile_mode, limits_gib, require_step, try_optim, whole_step
from rote.tasks.protocol import Task, scored_from
from rote.training import distributed
from rote.training.budget import Budget
from rote.training.controls.combined import Controls
from rote.training.controls.protocol import GradientMaker
from rote.training.data import BatchOrder, Order, on_device
from rote.training.distributed import device_of
from rote.training.memory import ModelShape
from rote.training.training_run import CheckpointPolicy, LookPolicy, Row, TrainingRun


def make_training_run(
    spec: Spec,
    task: Task,
    *,
    on_row: Callable[[Row], None],
    checkpointing: CheckpointPolicy,
    resume: Mapping[str, Any] | None,
    looking: LookPolicy | None = None,
) -> TrainingRun:
    """Build the model, its data and its budget from the spec; raises ValueError."""
    what, seed = spec.what, spec.what["seed"]
    torch.manual_seed(stream_seed(seed, "init"))
    model: nn.Module = build(what["model"], vocab_size=task.vocab_size, max_length=task.length)
    require_contract(model, vocab_size=task.vocab_size)
    require_causal(model, vocab_size=task.vocab_size, length=task.length)
    host = spec.how["host"]
    device = device_of(host["accelerator"])
    controls = Controls.of(spec.controls, build)
    controls.require_strategy(host["strategy"])
    controls.change_model(model)
    budget, precision = build(what["budget"]), build(what["precision"])
    require_step(spec, model, precision)
    if budget.finish and distributed.num_processes() > 1:
        raise ValueError("budget.finish trains in one process: use a host with one")
    given = task.train(seed)
    to_learn = controls.change_sequences(given, length=task.length)
    sequences = on_device(to_learn, length=task.length, device=device)
    first = scored_from(task)
    num_tokens = sequences.num_sequences * (task.length - first)
    order, maker = _reading(controls, budget, task, sequences.num_sequences, seed)
    limits = limits_gib(spec)
    is_cut = limits["accumulate_above_gib"] is not None
    step = whole_step(
        spec,
        ModelShape.of(model),
        precision,
        controls,
        batch_size=order.batch_size,
        length=task.length,
        processes=distributed.num_processes(),
    ).cut(optimiser_copies=try_optim(what["optim"], budget.max_steps)[1] if is_cut else 0, **limits)
    entropy_bits = task.entropy_bits(from_position=first)
    watches = controls.watches
    return TrainingRun(
        model=precision.trainable(precision.cast(model)),
        sequences=sequences,
        length=task.length,
        entropy_bits=uniform_bits(num_tokens, task.vocab_size)
        if entropy_bits is None
        else entropy_bits,
        entropy_is_known=entropy_bits is not None,
        vocab_size=task.vocab_size,
        order=order,
        optimiser=build(what["optim"]["optimiser"]),
        schedule=build(what["optim"]["schedule"]),
        clip_norm=what["optim"]["clip_norm"],
        budget=budget,
        precision=precision,
        on_row=on_row,
        checkpointing=checkpointing,
        resume=resume,
        looking=looking,
        compile_mode=compile_mode(spec, trainable_parameters(model), device_type=device.type),
        attention=host.get("attention"),
        recomputed=step.is_recomputed(limits["recompute_above_gib"]),
        num_microbatches=step.num_microbatches,
        scored_from=first,
        seed=seed,
        controls=controls,
        gradient_maker=maker,
        watch=watches.watch(task, seed=seed, batch_size=order.batch_size, device=device)
        if watches
        else None,
        num_left_out=given.num_sequences - sequences.num_sequences
        if controls.change_which_sequences
        else None,
    )


def _reading(
    controls: Controls, budget: Budget, task: Task, num_sequences: int, seed: int
) -> tuple[Order, GradientMaker | None]:
    """Return the order in which steps read, and what replaces the backward pass, if anything."""
    batch_size = budget.batch_size
    if makes := controls.gradients:
        maker = makes.begin(
            num_sequences=num_sequences,
            batch_size=batch_size,
            max_steps=budget.max_steps,
            seed=stream_seed(seed, "private"),
        )
        return maker.order, maker
    if orders := controls.orders:
        max_steps = budget.max_steps
        return orders.order(task, batch_size=batch_size, max_steps=max_steps, seed=seed), None
    key = stream_seed(seed, "order")
    return BatchOrder(num_sequences=num_sequences, batch_size=batch_size, seed=key), None
