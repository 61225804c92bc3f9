"""Report on architectures: bits memorised per parameter, and against FLOPs of a token."""
