"""Specs, results and the files that hold them."""
