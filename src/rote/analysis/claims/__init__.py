"""Judge published claims by the numbers of finished reports."""
