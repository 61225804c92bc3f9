"""The door: argument parsing and printing, no logic."""
