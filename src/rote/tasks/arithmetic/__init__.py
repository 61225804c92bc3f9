"""Sums, differences and products as lines of characters: learnt as a rule, or by rote."""
