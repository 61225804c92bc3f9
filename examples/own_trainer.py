"""Take the LightningModule of a run and train it with a Trainer of your own.

python examples/own_trainer.py

Loggers, callbacks, devices and strategies are Lightning's: it sees one batch and one global step a
stride, here 50 optimiser steps. What a run writes for itself (record, curve, checkpoints that
resume bit for bit) is `rote train`'s work and not done here.
"""

from tempfile import TemporaryDirectory

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from rote.config.build import build
from rote.config.compose import Composer
from rote.ledger.curve import LOSS_NATS
from rote.ledger.spec import Spec
from rote.run.assembly import make_training_run
from rote.training.module import TrainingModule
from rote.training.training_run import CheckpointPolicy

OVERRIDES = [
    "size=demo_s", "task.vocab_size=64", "task.length=16", "task.num_sequences=64",
    "budget.max_steps=400", "budget.check_every_steps=50", "budget/finish=none",
]  # fmt: skip


def main() -> None:
    """Train 400 steps with a CSV logger and a checkpoint callback, then print the last loss."""
    spec = Spec.from_config(Composer().config(OVERRIDES))
    run = make_training_run(
        spec,
        build(spec.what["task"]),
        on_row=lambda row: None,
        checkpointing=CheckpointPolicy(),
        resume=None,
    )
    with TemporaryDirectory() as folder:
        logger = CSVLogger(folder)
        checkpoint = ModelCheckpoint(folder)  # after the epoch: all strides
        trainer = lightning.Trainer(
            max_epochs=1, accelerator="cpu", devices=1, logger=logger, callbacks=[checkpoint],
            log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(TrainingModule(run))
        loss = float(trainer.callback_metrics[LOSS_NATS])
        saved = checkpoint.best_model_path.rsplit("/", maxsplit=1)[-1]
    print(f"{run.progress.steps} optimiser steps, {trainer.global_step} strides")
    print(f"{loss:.3f} nats a token, {run.bits(loss):,.0f} bits memorised; saved {saved}")


if __name__ == "__main__":
    main()
