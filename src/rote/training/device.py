"""Where a run trains; without Lightning, so that a launcher can ask."""

import torch


def device_of(accelerator: str) -> torch.device:
    """The device Lightning chooses for this accelerator."""
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))
