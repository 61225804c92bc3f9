"""Training to saturation: data order, the Lightning module, the stopping rule, the curve."""
