"""The one confidence level of every interval in a report."""

LEVEL = 0.95
