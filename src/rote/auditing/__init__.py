"""Audit any language model: read documents and score them, with partial results on disk."""
