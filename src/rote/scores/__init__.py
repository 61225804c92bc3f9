"""Membership scores: pure functions of token log-probabilities; a higher score means member."""
