"""The report on random labels: how fast they are fitted, and how many of their bits are stored."""
