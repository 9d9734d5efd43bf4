"""Keys and values: where they are stored, and which prefixes of earlier streams are still there."""
