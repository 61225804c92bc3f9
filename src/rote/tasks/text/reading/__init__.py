"""Read documents from files in any usual format, compression and encoding; no torch."""
