"""Provide token sequences for training, with the information that they carry."""
