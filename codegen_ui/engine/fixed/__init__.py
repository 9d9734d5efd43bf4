"""Decode steps of fixed shapes, which a GPU can record once and replay."""
