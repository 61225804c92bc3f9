"""Reports and what they are made of; a package, so that tests share planted runs by import."""
