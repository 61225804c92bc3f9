"""Where a run trains; without Lightning, so that a launcher can ask."""

import torch

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def device_of(accelerator: str) -> torch.device:
    """The device Lightning chooses for this accelerator; raises ValueError with the choices."""
    if accelerator not in ACCELERATORS:
        raise ValueError(
            f"host.accelerator must be one of {', '.join(ACCELERATORS)}, got {accelerator!r}"
        )
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))


def require_device(accelerator: str) -> None:
    """Raises ValueError where this machine has no such device."""
    if device_of(accelerator).type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"host.accelerator={accelerator}: torch sees no CUDA device here; "
            "host.accelerator=auto takes what there is"
        )
