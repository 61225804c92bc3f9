"""Sweeps on a real cluster, with everything that can happen to them there."""
