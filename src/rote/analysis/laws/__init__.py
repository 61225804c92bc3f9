"""Laws, one file each: a curve with named constants, and its fit to measured runs."""
