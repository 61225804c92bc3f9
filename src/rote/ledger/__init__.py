"""Define specs and results, and the files that hold them."""
