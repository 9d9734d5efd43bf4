"""Guessing the next tokens so that one step can check several."""
