"""Mirror the data on disk to wandb, under the same ids."""
