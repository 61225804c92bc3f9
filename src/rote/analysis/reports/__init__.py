"""The kinds of report, a module or a folder each, found by name."""
