"""The second phase of a run: down to a minimum of the whole training set's loss."""
