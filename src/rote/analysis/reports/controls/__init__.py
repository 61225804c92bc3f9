"""The report on controls against memorising: what they save, and what they cost."""
