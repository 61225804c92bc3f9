"""Real text: sources, tokenisers, windows prepared once, pools that share no window."""
