"""Laws: one file each, a curve with named constants and how it is fitted to measured runs."""
