"""Files of an outputs folder, read as if a stranger had written them."""
