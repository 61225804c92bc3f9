"""Controls against memorising: what they save, and what they cost."""
