"""Sweeps: plan many runs, send them to a host, carry them out, and report their state."""
