"""How PyTorch's threads wait for each other on a CPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from typing import TypeVar

SPIN_VARIABLE = "GOMP_SPINCOUNT"
SPIN_COUNT = 10_000
Result = TypeVar("Result")


def wait_briefly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenMP threads go to sleep after some 0.2 ms without work; by default they spin for about 6 ms.

    A step has hundreds of short parallel parts. Where anything else wants a core (a page to draw, a browser on the
    same machine, another user), one thread of a part waits for its core while the other one spins, and the time spent
    spinning is what the first one waits for. 0.2 ms is still longer than the usual pauses within a step.
    Has effect only before torch is imported, with GNU's OpenMP, and unless the operator has
    chosen.
    """
    if "OMP_WAIT_POLICY" not in environ:
        environ.setdefault(SPIN_VARIABLE, str(SPIN_COUNT))


def in_own_thread(function: Callable[[], Result]) -> Result:
    """Call the function in a thread that ends with it, and so does the OpenMP team that it may have got.

    See `engine` for what a team costs that stays behind.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 -- raised again by `result`
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="for a while", daemon=True)
    thread.start()
    thread.join()
    return outcome.result()
