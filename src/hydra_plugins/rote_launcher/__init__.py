"""Hydra plugin: rote's launchers `hydra/launcher=rote_local` and `hydra/launcher=rote_slurm`."""
