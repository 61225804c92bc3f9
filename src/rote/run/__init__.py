"""Execute one run: build it from its spec, check, train, measure and record it."""
