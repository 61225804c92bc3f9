"""The report on capacity: bits per parameter on random tokens."""
