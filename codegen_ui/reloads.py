"""A model whose engine ended by a fault, or whose step never ends, is loaded again by itself."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from codegen_ui.service import Service

logger = logging.getLogger(__name__)

RELOAD_SECONDS = (5.0, 20.0, 60.0, 300.0)
"""How long it waits: the first time, the second, ..."""
SOUND_SECONDS = 600.0
"""An engine that served for so long was sound: its fault counts as the first."""
LOOK_SECONDS = 1.0


class Reloads:
    """Tries that come ever more seldom, for models that have served before. Any thread may use it.

    Args:
        load: called with a model's name when its time has come.
    """

    def __init__(self, load: Callable[[str], None]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._ready_since: dict[str, float] = {}
        self._tries: dict[str, int] = {}
        self._timers: dict[str, threading.Timer] = {}

    def served(self, name: str) -> None:
        """Its engine serves from now on."""
        with self._lock:
            self._ready_since[name] = time.monotonic()

    def engine_failed(self, name: str) -> None:
        """It serves no more; see `plan`."""
        with self._lock:
            sound = time.monotonic() - self._ready_since[name] >= SOUND_SECONDS
            self._tries[name] = 0 if sound else self._tries.get(name, 0)

    def plan(self, name: str) -> float | None:
        """See to the next try: in how many seconds it comes; None for a model that never served."""
        with self._lock:
            tries = self._tries.get(name)
            if tries is None:
                return None
            seconds = RELOAD_SECONDS[min(tries, len(RELOAD_SECONDS) - 1)]
            self._tries[name] = tries + 1
            self._timers[name] = timer = threading.Timer(seconds, self._load, (name,))
            timer.daemon = True
            timer.start()
            return seconds

    def cancel(self, name: str) -> None:
        """Somebody asks for it before its time."""
        with self._lock:
            timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for name in tuple(self._timers):
            self.cancel(name)


@runtime_checkable
class Watched(Protocol):
    """An engine that computes step by step."""

    @property
    def step_seconds(self) -> float:
        """How long the step that runs has lasted; 0 between two."""
        ...

    def give_up(self, reason: str) -> None:
        """End what runs with an error, from another thread, and be of no more use: the engine's own does not answer."""
        ...


async def watch(service: Service, step_seconds: float, look_seconds: float = LOOK_SECONDS) -> None:
    """Give up engines whose step lasts longer than `step_seconds`, until cancelled; the service loads them anew.

    Such a step never ends: of a device that hangs, or of a library that waits for itself.
    """
    while True:
        await asyncio.sleep(look_seconds)
        for name, engine in service.engines().items():
            if isinstance(engine, Watched) and engine.step_seconds > step_seconds:
                logger.error("%s: a step has not ended within %g s; the engine is given up", name, step_seconds)
                await asyncio.to_thread(engine.give_up, f"a step has not ended within {step_seconds:g} s")
