"""The second phase of a run: minimise the loss of the whole training set."""
