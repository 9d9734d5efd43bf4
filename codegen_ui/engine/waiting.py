"""How PyTorch's threads wait for each other on a CPU."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

SPIN_COUNT = 10_000


def wait_briefly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenMP threads go to sleep after some 0.2 ms without work; by default they spin for about 6 ms.

    A step has hundreds of short parallel parts. Where anything else wants a core (a page to draw, a browser on the
    same machine, another user), one thread of a part waits for its core while the other one spins, and the time spent
    spinning is what the first one waits for. 0.2 ms is still longer than the usual pauses within a step.
    Has effect only before torch is imported, with GNU's OpenMP, and unless the operator has
    chosen.
    """
    if "OMP_WAIT_POLICY" not in environ:
        environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
