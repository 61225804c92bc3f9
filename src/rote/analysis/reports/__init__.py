"""The kinds of report: a folder each, found by name."""
