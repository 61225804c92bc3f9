"""Insert secrets of exactly known randomness into training data, to measure their exposure."""
