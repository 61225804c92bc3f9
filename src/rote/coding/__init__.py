"""Compress files with a trained model and an entropy coder, and restore them bit for bit."""
