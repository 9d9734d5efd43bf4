"""Python's garbage collector, spared what lives as long as the server: modules, the page, a model's code.

There are half a million such objects, and a full collection, which looks at every one, holds all threads for a quarter
of a second: every stream waits, and so does whoever asks whether the server is well. It also comes too seldom for it,
only when the young objects are a quarter of the old ones: what requests leave behind would take tens of MB meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def spare() -> None:
    """No later collection looks at what there is now; this one, for the last time, looks at everything."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    # Python counts what a full collection leaves, and holds the next one until there is a quarter of that again.
    gc.collect()


@contextmanager
def uncollected() -> Iterator[None]:
    """While much is made of which nothing is garbage: the collector would look at it a hundred times over."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
