"""What an audit found: two verdicts, what each rests on, and what it would take to be sure."""
