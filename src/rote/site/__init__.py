"""Show all runs as a website: static files, or the same pages live over http."""
