"""Bits per parameter on random tokens."""
