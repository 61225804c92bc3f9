"""Real text: sources, tokenisers, windows that are prepared once, and disjoint pools of windows."""
