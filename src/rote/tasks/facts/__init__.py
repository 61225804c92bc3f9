"""Facts as lines of characters: nothing to be generalised, so what is right was remembered."""
