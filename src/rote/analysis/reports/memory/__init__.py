"""The report on memory over time: what is learnt when, and how fast it is forgotten."""
