"""CodeGen itself: configuration, weights, and one forward pass over any mix of streams. Imports no torch here."""
