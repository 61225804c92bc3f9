"""One run: put together from its spec, checked, trained, measured, recorded."""
