"""Random labels: how fast they are fitted, and how many bits of them are stored."""
