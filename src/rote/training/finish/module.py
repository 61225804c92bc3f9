"""Train the second phase with Lightning: one Lightning step is many evaluations of every run.

Runs with equally many sequences are evaluated as one stacked model. Shapes: P parameters.
"""

import math
import time
from collections.abc import Sequence
from statistics import mean
from typing import Any

import lightning
import torch

from rote.core.units import bits_from_nats
from rote.training.finish.evaluation import FullBatch, flat, put
from rote.training.finish.lbfgs import Lbfgs
from rote.training.finish.routing import Rounds, has_experts
from rote.training.training_run import (
    Diverged,
    FinishProgress,
    Interrupted,
    OnEnd,
    Row,
    TrainingRun,
    next_save_seconds,
)

PREDICTED_GAIN, EVALUATIONS, LINE_SEARCH = "predicted gain", "evaluations", "line search"
EVALUATIONS_A_STRIDE = 50  # evaluations per Lightning step
RECENT_ITERATIONS = 50  # averaged, because single predictions scatter by a factor of three
FEWEST_ITERATIONS = 100  # since it began; no run ends before: the quadratic model is inaccurate


class FinishModule(lightning.LightningModule):
    """Continues runs after their optimisers' steps, or from a checkpoint of this phase.

    ``on_end`` is called with each run that is over, after its model has received its weights.
    Raises Interrupted once each run has left a checkpoint.
    """

    def __init__(self, runs: Sequence[TrainingRun], on_end: OnEnd, device: torch.device) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.on_end = on_end
        self.active = [_Finishing(run, device) for run in runs]
        self.full_device = device
        self._share_out()

    def _share_out(self) -> None:
        """Group the runs that can be evaluated as one."""
        alike: dict[int, list[_Finishing]] = {}
        for one in self.active:
            alike.setdefault(one.run.sequences.num_sequences, []).append(one)
        self.groups = [
            (group, FullBatch([one.run for one in group], self.full_device))
            for group in alike.values()
        ]

    def train_dataloader(self) -> list[int]:
        """Return numbers for the Lightning steps, an upper bound."""
        most = max((one.plan.max_evaluations for one in self.active), default=0)
        return list(range(-(-most // EVALUATIONS_A_STRIDE)))

    def configure_optimizers(self) -> None:
        """Lightning steps no optimiser here."""

    def on_fit_start(self) -> None:
        """Start the clock for the first checkpoint."""
        self.next_save_seconds = next_save_seconds(one.run for one in self.active)

    def training_step(self, *_: int) -> None:
        """Run several evaluations, because a Lightning step costs half a millisecond by itself."""
        for _evaluation in range(EVALUATIONS_A_STRIDE):
            self._evaluate()
            if not self.active:
                self.trainer.should_stop = True
                return

    def _evaluate(self) -> None:
        """Evaluate every run once; runs that are over leave."""
        for group, full in self.groups:
            for number, one in enumerate(group):
                one.begin(full, number)
            if choices := [one.rounds.choices for one in group if one.rounds]:
                full.fix(choices)
            for one, (loss, gradient_P) in zip(
                group, full([one.minimiser.point for one in group]), strict=True
            ):
                one.update(loss, gradient_P)
        leaving = [one for one in self.active if one.is_over]
        for one in self.active:
            due = one.progress.evaluations % one.plan.check_every_evaluations == 0
            if one.diverged is None and (due or one.is_over):
                one.check_loss()
        self.active = [one for one in self.active if not one.is_over]
        for one in leaving:
            one.leave()
            self.on_end(one.run, one.diverged)
        if leaving:
            self._share_out()
        self._keep()  # after the row, because a resumed run writes the next one

    def _keep(self) -> None:
        """Save checkpoints when they are due, and stop on request."""
        stop = any(one.run.checkpointing.stop() for one in self.active)
        if not stop and time.monotonic() < self.next_save_seconds:
            return
        for one in self.active:
            one.save()
        if stop:
            raise Interrupted("stopped in the finish with a checkpoint")
        self.next_save_seconds = next_save_seconds(one.run for one in self.active)


class _Finishing:
    """One run and its minimiser."""

    minimiser: Lbfgs

    def __init__(self, run: TrainingRun, device: torch.device) -> None:
        assert run.budget.finish  # runs without a finish never get here
        self.run, self.plan = run, run.budget.finish
        run.model.to(device)
        self.saved: Any = None
        self.rounds = Rounds() if has_experts(run.model) else None
        if state := run.resume:
            run.model.load_state_dict(state["model"])
            self.saved = state.get("minimiser")
            if rounds := state.get("rounds"):
                self.rounds = Rounds(**rounds)
            run.resume = None
        if run.progress.finish is None:
            run.progress.finish = FinishProgress()
        self.progress = run.progress.finish
        self.diverged: Diverged | None = None
        self.begun = False

    @property
    def is_over(self) -> bool:
        return self.diverged is not None or self.progress.ended_by is not None

    def begin(self, full: FullBatch, number: int) -> None:
        """Make the minimiser, from a checkpoint if there is one; renew its metric when due."""
        if not self.begun:
            at_P = flat(self.run.model)
            metric_P = torch.ones_like(at_P) if self.saved else full.metric(number, at_P)
            self.minimiser = Lbfgs(at_P, metric_P, memory=self.plan.memory)
            if self.saved:
                self.minimiser.load(self.saved)
            elif self.progress.evaluations:
                self._restart()
            self.saved, self.begun = None, True
        at_P = self.minimiser.at_P
        if self.rounds:
            left = self.plan.max_evaluations - self.progress.evaluations
            if self.rounds.is_over(left, stuck=self.minimiser.stuck):
                self.minimiser.restart(full.metric(number, at_P))
                self.rounds.begin(full.chosen_experts(number, at_P))
            return
        since = self.minimiser.iterations - self.progress.renewed_at_iteration
        if since >= self.plan.renew_every_iterations:
            self.minimiser.renew(full.metric(number, at_P))
            self.progress.renewed_at_iteration = self.minimiser.iterations

    def _restart(self) -> None:
        """Count on from a checkpoint without the minimiser's pairs."""
        now = self.minimiser.iterations = self.progress.iterations
        self.progress.renewed_at_iteration = now
        self.progress.restarted_at_iterations.append(now)

    def update(self, loss_nats: float, gradient_P: torch.Tensor) -> None:
        """Pass the evaluation to the minimiser and record progress."""
        run, progress, minimiser = self.run, self.progress, self.minimiser
        minimiser.update(loss_nats, gradient_P)
        progress.evaluations += 1
        run.progress.tokens_seen += run.epoch_tokens
        if self.rounds:
            self.rounds.note(loss_nats, minimiser.at_P)
        bits = run.bits(self.loss_nats)
        if progress.evaluations == 1:
            progress.bits_before = bits
            if not math.isfinite(loss_nats):
                self.diverged = Diverged(f"the loss is {loss_nats} where the finish begins")
        if minimiser.iterations > progress.iterations:
            self._note_gain(minimiser.predicted_gain)
        progress.iterations = minimiser.iterations
        progress.bits_after = bits
        progress.gradient_norm = minimiser.gradient_norm
        progress.ended_by = self._ended_by(bits)

    @property
    def loss_nats(self) -> float:
        """The lowest loss of the model itself."""
        if self.rounds:
            return self.rounds.loss_nats
        assert self.minimiser.loss is not None  # the first evaluation is always accepted
        return self.minimiser.loss

    @property
    def best_P(self) -> torch.Tensor:
        """Where the loss is the lowest."""
        if self.rounds and self.rounds.point_P is not None:
            return self.rounds.point_P
        return self.minimiser.at_P

    def _note_gain(self, nats: float) -> None:
        """Record the predicted gain of an iteration, over all tokens, in bits."""
        if math.isfinite(nats):  # infinite without a quadratic model
            bits = bits_from_nats(nats) * self.run.epoch_tokens
            self.progress.gains_bits = [*self.progress.gains_bits, bits][-RECENT_ITERATIONS:]

    def _ended_by(self, bits: float) -> str | None:
        progress, gains, stuck = self.progress, self.progress.gains_bits, self.minimiser.stuck
        if self.rounds:  # gains are those of fixed experts
            return EVALUATIONS if progress.evaluations >= self.plan.max_evaluations else None
        least = self.plan.max_gain_per_1000_iterations * bits / 1000
        begun = max(progress.restarted_at_iterations, default=0)
        is_late = progress.iterations - begun >= FEWEST_ITERATIONS
        is_settled = is_late and gains and mean(gains) < least
        if is_settled or (stuck and gains and gains[-1] < least):
            return PREDICTED_GAIN
        if stuck:
            return LINE_SEARCH
        return EVALUATIONS if progress.evaluations >= self.plan.max_evaluations else None

    def check_loss(self) -> None:
        """Write a row of the curve."""
        row: Row = self.run.row(self.loss_nats) | {
            "evaluations": self.progress.evaluations,
            "gradient_norm": self.progress.gradient_norm,
        }
        if self.progress.gains_bits:
            row["predicted_gain_bits"] = mean(self.progress.gains_bits)
        self.run.on_row(row)

    def save(self) -> None:
        put(self.run.model, self.minimiser.at_P)
        has_pairs = self.run.checkpointing.has_pairs
        self.run.save(
            model=self.run.model.state_dict(),
            minimiser=self.minimiser.state() if has_pairs else None,
            rounds=self.rounds and vars(self.rounds),
            rng=torch.get_rng_state(),
        )

    def leave(self) -> None:
        """Write the best weights into the model."""
        put(self.run.model, self.best_P)
        self.run.progress.converged = self.progress.ended_by == PREDICTED_GAIN
