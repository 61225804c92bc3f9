"""Facts as lines of characters: nothing generalises, so a right answer was memorised."""
