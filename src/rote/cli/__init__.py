"""Parse arguments and print results; the command line holds no other logic."""
