"""Hydra's door to our workers: `hydra/launcher=rote_local` and `hydra/launcher=rote_slurm`."""
