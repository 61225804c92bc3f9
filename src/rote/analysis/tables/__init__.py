"""Somebody's own table: read from a file, its columns named, its cells turned into numbers."""
