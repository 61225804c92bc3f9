"""Membership, exposure and extraction against size, data and repeats."""
