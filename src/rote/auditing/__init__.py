"""A model from anywhere under audit: documents read and scored, piece by piece, on disk."""
