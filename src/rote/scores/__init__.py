"""Compute membership scores, pure functions of token log-probabilities; higher = member."""
