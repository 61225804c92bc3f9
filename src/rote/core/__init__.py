"""Helpers that all other packages use: units, checks, random streams, progress, provenance."""
