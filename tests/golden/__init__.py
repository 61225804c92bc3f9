"""Small finished runs of every kind of report, and what its page contains."""
