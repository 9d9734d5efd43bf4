"""Notices an engine whose step never ends: a device that hangs, a library that waits for itself."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol, runtime_checkable

from codegen_ui.service import Service

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


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
    """Give up engines whose step lasts longer than `step_seconds`, until cancelled; the service loads them anew."""
    while True:
        await asyncio.sleep(look_seconds)
        for name, engine in service.engines().items():
            if isinstance(engine, Watched) and engine.step_seconds > step_seconds:
                logger.error("%s: a step has not ended within %g s; the engine is given up", name, step_seconds)
                await asyncio.to_thread(engine.give_up, f"a step has not ended within {step_seconds:g} s")
