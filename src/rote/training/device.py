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
    """Raises ValueError where this machine, which is to train, has no such accelerator."""
    device = device_of(accelerator).type
    if not (device == "cpu" or getattr(torch, device).is_available()):
        raise ValueError(
            f"host.accelerator={accelerator}: torch finds none on this machine; auto takes what "
            "there is, and rote doctor lists it"
        )
