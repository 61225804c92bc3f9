"""Laws; a package, so that tests share planted runs by import."""
