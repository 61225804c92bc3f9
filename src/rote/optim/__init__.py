"""Optimisers called with a model's named parameters, and learning-rate schedules."""
