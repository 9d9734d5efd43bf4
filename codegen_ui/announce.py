"""What the terminal says while the playground starts: every stage as it begins, at the end the address to open."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from humanize import naturalsize

from codegen_ui.escaping import one_line
from codegen_ui.generation import ModelInfo
from codegen_ui.status import ModelStatus, Phase

EVERY_SECONDS = 2.0


class Announcer:
    """Prints a model's statuses: each new stage at once, its progress every two seconds."""

    def __init__(self, address: str, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`address`: what to open, as `place` says it."""
        self._address = address
        self._write = write
        self._clock = clock
        self._stages: dict[str, str] = {}
        self._last = 0.0

    def __call__(self, status: ModelStatus) -> None:
        if status.phase is Phase.LOADING:
            self._loading(status)
        elif status.phase is Phase.FAILED:
            self._write(f"{status.name}: not loaded: {status.message}")
            self._write(f"The page stays up: {self._address}")
        elif status.phase is Phase.READY and status.info is not None:
            if status.notice:
                self._write(status.notice)
            self._write(f"{status.info.name}: {describe(status.info)}")
            self._write(f"Open {self._address}")

    def _loading(self, status: ModelStatus) -> None:
        now = self._clock()
        if self._stages.get(status.name) == status.stage and now - self._last < EVERY_SECONDS:
            return
        self._stages[status.name] = status.stage
        self._last = now
        self._write(f"{status.name}: {status.stage}{progress(status.done, status.total)} ...")


def say(line: str) -> None:
    """A line to the terminal, whatever is in it.

    Where nobody reads it any more (`app.py | head`) or the disk behind it is full, the playground goes on without it.
    """
    try:
        print(one_line(line), flush=True)
    except OSError:
        # What could not be written is still in the stream's buffer, and would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def place(address: str, root_path: str) -> str:
    """What to open: the server's address, or, where its pages have a prefix, the proxy that takes the prefix away."""
    return f"{root_path}/ on your proxy (in front of {address})" if root_path else address


def progress(done: int, total: int | None) -> str:
    """', 12.3 MB of 713.0 MB', or nothing while there is nothing to count."""
    if not total:
        return f", {naturalsize(done)}" if done else ""
    return f", {naturalsize(done)} of {naturalsize(total)}"


def describe(info: ModelInfo) -> str:
    """What the blog post prints of a loaded model, in one line."""
    took = f"Loaded in {info.load_seconds:.1f} s: " if info.load_seconds is not None else ""
    facts = [info.architecture]
    if info.parameters is not None:
        facts.append(f"{info.parameters:,} parameters")
    if info.layers is not None:
        facts.append(f"{info.layers} layers")
    numbers = info.dtype if info.quantize == "none" else f"{info.dtype} with {info.quantize} weights"
    facts.append(f"{numbers} on {info.device_name or info.device}" if numbers else info.device_name)
    if info.memory_bytes is not None:
        facts.append(f"{naturalsize(info.memory_bytes)} taken")
    facts.append(f"{info.slots} slots")
    return took + ", ".join(facts)
