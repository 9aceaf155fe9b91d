"""A factory for every model: real rows with real constraints, made with factory-boy."""
