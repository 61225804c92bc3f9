"""Pure fits: arrays in, a frozen result with its uncertainty out."""
