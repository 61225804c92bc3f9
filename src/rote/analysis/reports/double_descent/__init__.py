"""Train and held-out loss over data bits per capacity, for random tokens and text."""
