"""Predict what runs will cost, before they are run."""
