"""This module trains one run as a LightningModule; `fit` is the Trainer that `rote` uses for it.

One Lightning step is one stride: docs/design.md says how Lightning is used. `fit` switches off its
checkpoints, loggers and signals. Under a Trainer of your own they work: it sees one batch and one
global step a stride, and receives the loss through `log` (examples/own_trainer.py).
Shapes: K steps in a stride, B batch, L positions.
"""

import gc
import logging
import time
import warnings
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor
from torch.optim import Optimizer

from rote.ledger.curve import LOSS_NATS
from rote.models.count import named_trainable
from rote.training import distributed, sharding
from rote.training.blocks import attention_kernel, restore_blocks, train_blocks
from rote.training.finish.module import FinishModule
from rote.training.graphed import BLOCKS, compiled
from rote.training.stacked import StackedTrainingModule
from rote.training.training_run import Interrupted, TrainingRun, next_save_seconds


class TrainingModule(lightning.LightningModule):
    """Trains one run until it is over; raises Diverged, and Interrupted after a checkpoint."""

    def __init__(self, run: TrainingRun) -> None:
        super().__init__()
        self.automatic_optimization = False
        if run.order.batch_size % distributed.num_processes():
            raise ValueError(
                f"{distributed.num_processes()} processes cannot share batches of "
                f"{run.order.batch_size} sequences equally"
            )
        self.run = run
        self.model = run.model
        self.objective = run.controls.objective(run.scored_from)
        self.of_tokens = compiled(self.objective.of_tokens, run.compile_mode)

    def train_dataloader(self) -> list[int]:
        """Return the numbers of unfinished strides; one interrupted at its end is unfinished."""
        done = len(self.run.progress.memorised_bits)
        return list(range(done, len(self.run.budget.strides())))

    def configure_model(self) -> None:
        """Shard the model if Lightning provides a device mesh, which only fsdp does."""
        if self.device_mesh is not None:
            sharding.shard(self.model, self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> Optimizer:
        """Return the optimiser; `_step` applies the schedule, so Lightning needs none."""
        return self.run.optimiser(named_trainable(self.model))

    def on_fit_start(self) -> None:
        """Store weights and peak rates of their groups, then load a checkpoint, if any."""
        optimiser = self._optimiser()
        self.weights = list(self.model.parameters())
        self.peak_rates = [group["lr"] for group in optimiser.param_groups]
        self.next_save_seconds = next_save_seconds([self.run])
        if resume := self.run.resume:
            sharding.load_weights(self.model, resume["model"])
            sharding.load_optimiser(optimiser, resume["optimiser"])
            torch.set_rng_state(resume["rng"])
            self.run.resume = None  # frees the copy of the weights
        is_compiled = self.run.compile_mode == BLOCKS
        train_blocks(self.model, compiled=is_compiled, recomputed=self.run.recomputed)
        self.run.look()

    def on_fit_end(self) -> None:
        """Leave the plain blocks: what follows takes no part in how they trained."""
        restore_blocks(self.model)

    def training_step(self, stride: int, _: int) -> None:
        """Train one stride, or the rest of it; the loader's "batch" is only its number.

        Nothing in the loop may wait for the device, except to save: the loss is read once, at the
        end of the stride.
        """
        run, progress = self.run, self.run.progress
        whole = run.budget.strides()[stride]
        steps = range(max(whole.start, progress.steps), whole.stop)
        rank, num_processes = distributed.rank(), distributed.num_processes()
        begun = progress.stride_loss_of(rank, num_processes)
        loss_sum = torch.tensor(begun, dtype=torch.float64, device=self.device)
        share = slice(rank, None, num_processes)  # of every batch
        indices_KB = run.order.read(steps, share=share, device=self.device)
        for step, indices_B in zip(steps, indices_KB, strict=True):
            is_last = step + 1 == whole.stop
            loss_sum += self._step(step, run.sequences.tokens(indices_B), is_counted=is_last)
            progress.steps = step + 1
            run.look()
            self._keep(loss_sum)
        sums = distributed.from_all(float(loss_sum))
        loss_nats = sum(sums) / len(sums) / run.order.batches(whole)
        run.check_loss(whole, loss_nats, self._optimiser().param_groups[0]["lr"])
        if self.trainer.loggers:
            self.log_dict({LOSS_NATS: loss_nats, run.bits_name: run.bits(loss_nats)})
        if run.is_over():
            self.trainer.should_stop = True

    def _keep(self, loss_sum: Tensor) -> None:
        """At the end of a step, save a checkpoint when it is due, and stop on request."""
        run = self.run
        stop = distributed.any_of(run.checkpointing.stop())
        due = time.monotonic() >= self.next_save_seconds
        if not (stop or distributed.any_of(due)):
            return
        run.progress.stride_loss_nats = distributed.from_all(float(loss_sum))
        run.save(
            model=sharding.gathered(self.model.state_dict()),
            optimiser=sharding.gathered(self._optimiser().state_dict()),
            rng=torch.get_rng_state(),
        )
        if stop:
            raise Interrupted(f"stopped at step {run.progress.steps} with a checkpoint")
        self.next_save_seconds = next_save_seconds([run])

    def _step(self, step: int, tokens_BL: Tensor, *, is_counted: bool) -> Tensor:
        """Run one update; return the loss before it, in nats per token.

        ``is_counted``: the update goes through Lightning's wrapper, which counts a global step.
        """
        run, optimiser = self.run, self._optimiser()
        fraction = run.fraction(step)
        for group, peak in zip(optimiser.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak * fraction
        run.controls.before_step(seed=run.seed, step=step)
        with run.precision.active(self.device.type), attention_kernel(run.attention):
            loss = self._gradients(step, tokens_BL)
        gradients = [one.grad for one in self.weights if one.grad is not None]
        run.precision.unscale(gradients)
        if run.num_microbatches > 1:
            torch._foreach_div_(gradients, run.num_microbatches)
        if run.clip_norm is not None:
            _clip(gradients, run.clip_norm)
        if run.controls.gradient_changers:
            run.controls.change_gradients(gradients, seed=run.seed, step=step)
        (self.optimizers() if is_counted else optimiser).step()  # type: ignore[union-attr]
        for weight in self.weights:
            weight.grad = None
        return loss.detach()

    def _gradients(self, step: int, tokens_BL: Tensor) -> Tensor:
        """Sum gradients of all micro-batches; return the tokens' mean plain cost, in nats."""
        if make := self.run.gradient_maker:
            return make(self.model, tokens_BL, step=step, objective=self.objective)
        number = self.run.num_microbatches
        if number == 1:
            return self._gradient(tokens_BL, None, is_last=True)
        weights_BL = self.objective.weights(tokens_BL)  # their mean is 1 over the whole batch
        weights = [None] * number if weights_BL is None else weights_BL.chunk(number)
        parts = enumerate(zip(tokens_BL.chunk(number), weights, strict=True), start=1)
        losses = [self._gradient(*part, is_last=count == number) for count, part in parts]
        return torch.stack(losses).mean()

    def _gradient(self, tokens_BL: Tensor, weights_BL: Tensor | None, *, is_last: bool) -> Tensor:
        """Add a micro-batch's gradient; the last goes through Lightning, which averages them."""
        trained_BL, nats_BL = self.of_tokens(self.model, tokens_BL, weights_BL=weights_BL)
        loss = trained_BL.mean()
        scaled = self.run.precision.scaled(loss)
        if is_last and distributed.num_processes() > 1:
            self.manual_backward(scaled)
        else:
            scaled.backward()  # type: ignore[no-untyped-call]
        return (loss if trained_BL is nats_BL else nats_BL.mean()).detach()

    def _optimiser(self) -> Any:
        """Return the bare optimiser: Lightning's wrapper costs 50 us a step and adds nothing."""
        return self.optimizers(use_pl_optimizer=False)


def _clip(gradients: list[Tensor], max_norm: float) -> None:
    """Clip like `torch.nn.utils.clip_grad_norm_`, which takes 70 us for 1x12; this takes 35."""
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp(max=1.0))


Phase = TrainingModule | StackedTrainingModule | FinishModule

HARMLESS = (
    ".*configure_optimizers. returned .None.*",  # the finish has its own minimiser
    ".*does not have many workers.*",  # the "loader" counts strides: workers have nothing to do
    ".*`srun` command is available.*",  # one process needs no srun
    ".*isinstance.treespec, LeafSpec.*",  # Lightning 2.6 against newer torch
)


def fit(module: Phase, *, accelerator: str, strategy: str) -> None:
    """Train ``module`` in place; raises what training raises.

    ``strategy`` decides how several processes share a model: ddp gives each a whole model, fsdp a
    shard. In both cases rank 0 ends with the whole model.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()  # the last Trainer and its module reference each other, and hold GPU memory
    num_nodes = distributed.num_nodes()
    with warnings.catch_warnings():
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        trainer = lightning.Trainer(
            accelerator=accelerator,
            strategy=_shared_by(strategy),
            devices=distributed.num_processes() // num_nodes,
            num_nodes=num_nodes,
            max_epochs=1,  # the strides are one pass; `BatchOrder` counts data epochs
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            # Without this, Lightning would handle SLURM's signals and requeue; only one owner may
            # do so.
            plugins=[LightningEnvironment()],
        )
        _leave_signals_alone(trainer)
        if not isinstance(module, TrainingModule):
            trainer.fit(module)
            return
        hollow = sharding.outline(module.model)
        trainer.fit(module)
        if module.device_mesh is not None:
            module.run.model = sharding.whole(module.model, hollow)


def _shared_by(strategy: str) -> str | ModelParallelStrategy:
    """Return Lightning's strategy; ModelParallelStrategy takes CPUs, which FSDPStrategy refuses."""
    if distributed.num_processes() == 1:
        return "auto"
    if strategy == "ddp":
        return "ddp"
    return ModelParallelStrategy(
        data_parallel_size=distributed.num_processes(), tensor_parallel_size=1
    )


def _leave_signals_alone(trainer: lightning.Trainer) -> None:
    """Disable Lightning's SIGTERM handler: it would end a run mid-stride without a checkpoint.

    It also broadcasts inside the handler, and another process would answer with its gradients. No
    argument of the Trainer disables it.
    """
    connector = trainer._signal_connector
    assert callable(connector.register_signal_handlers)
    connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
