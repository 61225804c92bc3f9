"""What was rightly asked for and still did not end well."""


class Failed(RuntimeError):
    """Told in one line, with exit code 1; where it happened is told elsewhere."""
