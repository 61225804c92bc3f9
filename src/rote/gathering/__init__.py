"""Gather the runs of a launched sweep: for reports and fits, and for other programs."""
