"""Train models to saturation: data order, Lightning modules, stopping rules, loss curve."""
