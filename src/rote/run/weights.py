"""Save and load the model of a finished run: weights in safetensors, nothing is unpickled."""

from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from rote.config.build import build
from rote.config.trust import require_own
from rote.io.write import write_with
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder
from rote.tasks.protocol import Task
from rote.training.controls.combined import Controls


class Trained(NamedTuple):
    """The model of a finished run; use it in the precision of ``spec``."""

    model: nn.Module
    task: Task
    spec: Spec


def save_weights(model: nn.Module, folder: RunFolder) -> None:
    """Write the weights into the run's folder in the format of training, atomically."""
    write_with(folder.weights_path, lambda path: save_model(model, str(path)))


def load_trained(folder: RunFolder) -> Trained:
    """Load the model on the CPU, in evaluation mode.

    Raises ValueError if the run is not done, is damaged, kept no weights, or names code that is not
    allowed.
    """
    path = folder.kept_weights()
    spec = folder.spec()
    require_own([spec], folder.spec_path)
    task = Controls.of(spec.controls, build).reported(build(spec.what["task"]))
    model = build(spec.what["model"], vocab_size=task.vocab_size, max_length=task.length)
    model = build(spec.what["precision"]).cast(model).eval()
    try:
        load_model(model, path)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return Trained(model, task, spec)
