"""Judge what an audit found: two verdicts, their evidence, and what more certainty would take."""
