"""Lightning's trainer with everything switched off that is not training."""

import gc
import logging
import warnings

import lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import ModelParallelStrategy

from rote.training import distributed, sharding
from rote.training.finish.module import FinishModule
from rote.training.module import TrainingModule
from rote.training.stacked import StackedTrainingModule

Phase = TrainingModule | StackedTrainingModule | FinishModule

HARMLESS = (
    ".*configure_optimizers. returned .None.*",  # the finish has a minimiser of its own
    ".*does not have many workers.*",  # the "loader" counts strides: nothing for workers to do
    ".*`srun` command is available.*",  # one process needs no srun
    ".*isinstance.treespec, LeafSpec.*",  # Lightning 2.6 against newer torch
)


def fit(module: Phase, *, accelerator: str, strategy: str) -> None:
    """Train ``module`` in place; raises what training raises.

    ``strategy`` says how several processes share a model: ddp gives each a whole one, fsdp a part;
    rank 0 ends with the whole one in either case.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    _forget_the_run_before()
    num_nodes = distributed.num_nodes()
    with warnings.catch_warnings():
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        trainer = lightning.Trainer(
            accelerator=accelerator,
            strategy=_shared_by(strategy),
            devices=distributed.num_processes() // num_nodes,
            num_nodes=num_nodes,
            max_epochs=1,  # the strides are one pass; data epochs are counted by `BatchOrder`
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            # Lightning would take over SLURM's signals and requeue by itself: one owner only.
            plugins=[LightningEnvironment()],
        )
        _leave_signals_alone(trainer)
        batches = list(module.strides_left())
        if not isinstance(module, TrainingModule):
            trainer.fit(module, train_dataloaders=batches)
            return
        hollow = sharding.outline(module.model)
        trainer.fit(module, train_dataloaders=batches)
        if module.device_mesh is not None:
            module.run.model = sharding.whole(module.model, hollow)


def _forget_the_run_before() -> None:
    """Trainer and module hold each other: what a run had on a GPU stays there until this."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        torch.cuda.reset_peak_memory_stats()


def _shared_by(strategy: str) -> str | ModelParallelStrategy:
    """In Lightning's words. Its FSDPStrategy refuses CPUs, its ModelParallelStrategy does not."""
    if distributed.num_processes() == 1:
        return "auto"
    if strategy == "ddp":
        return "ddp"
    return ModelParallelStrategy(
        data_parallel_size=distributed.num_processes(), tensor_parallel_size=1
    )


def _leave_signals_alone(trainer: lightning.Trainer) -> None:
    """Lightning's own SIGTERM handler would end a run between two strides without a checkpoint.

    It also broadcasts inside the handler, which another process answers with its gradients. No
    argument of the Trainer switches it off.
    """
    connector = trainer._signal_connector
    assert callable(connector.register_signal_handlers)
    connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
