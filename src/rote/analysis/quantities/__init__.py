"""Derived columns: sums and quotients of what the runs stored."""
