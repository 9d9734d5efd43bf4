"""How many threads compute on a CPU, how they wait for each other, and that none is left at the end."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, TypeVar

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


def use_threads(wanted: int | None) -> int:
    """Compute with so many threads, or, where None are asked for, with no more than this container has the time for.
    Returns how many."""
    import torch

    quota = cpu_quota()
    if wanted is None and quota is not None:
        wanted = min(torch.get_num_threads(), max(1, int(quota)))
    if wanted is not None and wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)
    return torch.get_num_threads()


def cpu_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """How many CPUs' time this process's control groups (version 2 or 1) grant it; None where they do not bound it.

    More threads than that are stopped for most of every tenth of a second, each while the others wait for it.
    """
    try:
        group = own.read_text(encoding="ascii").strip().splitlines()[-1].partition("::")[2].strip("/")
    except (OSError, UnicodeDecodeError, IndexError):
        group = ""
    quotas = []
    for folder in (root / group, *(root / group).parents):
        if folder == root.parent:
            break
        quotas += [_ratio(folder / "cpu.max"), _ratio(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")]
    quotas.append(_ratio(root / "cpu" / "cpu.cfs_quota_us", root / "cpu" / "cpu.cfs_period_us"))
    return min((quota for quota in quotas if quota is not None), default=None)


def _ratio(*files: Path) -> float | None:
    """The quotient of the two numbers in these files; None where they are not there, say "max" or less than nothing."""
    try:
        quota, period = map(int, " ".join(file.read_text(encoding="ascii") for file in files).split())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None


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


class Closable(Protocol):
    def close(self) -> None: ...


_open: weakref.WeakSet[Closable] = weakref.WeakSet()


def close_at_exit(engine: Closable) -> None:
    """Close it when the interpreter ends, if it is still there (a second close does nothing): a thread that is within
    PyTorch just then would take the process down with it."""
    _open.add(engine)


@atexit.register
def _close_open() -> None:
    for engine in tuple(_open):
        engine.close()
