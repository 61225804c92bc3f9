"""Register rote's Hydra launchers: `hydra/launcher=rote_local` and `hydra/launcher=rote_slurm`."""
