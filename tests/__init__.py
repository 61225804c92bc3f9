"""Tests; a package, so that they share fixtures by import."""
