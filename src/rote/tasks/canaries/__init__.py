"""Secrets of exactly known randomness, put into training data to see what a model tells of them."""
