"""The page's panels: a class each, which builds its widgets, wires itself and has its handlers."""
