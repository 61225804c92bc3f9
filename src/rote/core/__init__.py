"""What every other room needs: units, checks, random streams, progress, provenance."""
