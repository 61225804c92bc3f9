"""Plan sweeps of many runs, send them to a host, carry them out, and report their state."""
