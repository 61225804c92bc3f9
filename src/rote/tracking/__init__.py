"""wandb: a mirror of what is on disk, under the same ids."""
