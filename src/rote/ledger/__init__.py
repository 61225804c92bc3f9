"""What was asked for, what came out, and where it is kept."""
