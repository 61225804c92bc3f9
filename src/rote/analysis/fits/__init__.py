"""Fits as pure functions: arrays go in, a frozen result with its uncertainty comes out."""
