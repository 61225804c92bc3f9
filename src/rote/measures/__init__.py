"""Measure a trained model: totals that add, and arrays with one value per sequence."""
