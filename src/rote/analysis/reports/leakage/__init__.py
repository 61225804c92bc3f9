"""The report on leakage: membership, exposure and extraction over size, data and repeats."""
