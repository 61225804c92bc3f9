"""Hydra plugin for rote's sweeps: `rote train -m`."""
