"""Read a user's own table: from a file, with named columns, and cells turned into numbers."""
