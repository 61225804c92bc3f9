"""rote measures how much a transformer memorises, when it generalises instead, and what leaks."""
