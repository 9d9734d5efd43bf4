"""From a model's name and options to a running engine: checkpoint -> weights on the device -> engine."""
