"""Unintended memorisation of text, extraction, and what is remembered."""
