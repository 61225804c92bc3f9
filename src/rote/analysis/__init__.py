"""From finished runs to capacities, figures and a report; needs no deep-learning library."""
