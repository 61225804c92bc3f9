"""Derived columns: sums and quotients of stored quantities."""
