"""Run the second phase: minimise the loss of the whole training set."""
