"""Reports on how loss falls with parameters, tokens and compute."""
