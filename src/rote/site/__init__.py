"""All runs as pages: a site of plain files, and the same live over http."""
