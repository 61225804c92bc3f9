"""Hydra's door to our sweeps: `rote train -m`."""
