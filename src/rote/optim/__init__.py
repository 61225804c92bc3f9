"""Optimisers that take a model's named parameters, and learning-rate schedules."""
