"""Turn finished runs into capacities, figures and a report; needs no deep-learning library."""
