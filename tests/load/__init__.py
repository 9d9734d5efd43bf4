"""Many visitors at once, some of whom cancel and some vanish: `python -m tests.load --help`."""
