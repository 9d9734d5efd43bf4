"""The one way to watch generations from an event loop: woken by their writers, never polling, as fast as the reader.

A reader that is slow, or asks for a pause, finds everything that came meanwhile in one piece of news.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from codegen_ui.generation import Generation, TokenEvent


@dataclass(frozen=True)
class News:
    """What became of the generation at `index` since the last news of it.

    Attributes:
        tokens: those since then; empty where only its state changed.
        ended: whether this is the last of it: its `result` and `snapshot` are final.
    """

    index: int
    tokens: tuple[TokenEvent, ...]
    ended: bool


def no_pause() -> float:
    return 0.0


async def follow(
    generations: Sequence[Generation], *, every: Callable[[], float] = no_pause, heartbeat: float | None = None
) -> AsyncGenerator[News | None, None]:
    """The state of each at once, then news of each as it comes, until all have ended. Raises nothing of theirs.

    Args:
        every: the least number of seconds between two rounds of news, asked for after each. An end is told at once.
        heartbeat: after so many seconds without news comes a None.
    """
    bell = Bell(generations)
    seen = [0] * len(generations)
    going = set(range(len(generations)))
    while True:
        for index in bell.answer():
            if index not in going:
                continue
            # The end is looked at before the tokens, so that no token can slip in between unseen.
            ended = generations[index].ended
            tokens = generations[index].tokens(seen[index])
            seen[index] += len(tokens)
            if ended:
                going.remove(index)
            yield News(index, tokens, ended)
        if not going:
            return
        pause = every()
        if pause > 0:
            await bell.end.comes(pause)
        while not await bell.ring.comes(heartbeat):
            yield None


async def until_ended(generation: Generation) -> None:
    """Wait for the end of one, however it ends."""
    async for _ in follow([generation], every=lambda: float("inf")):
        continue


class Signal:
    """An event of the loop where it is made, which any thread may set: often set before it is cleared is set once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._given = False

    def set(self) -> None:
        """Raises nothing: where the loop is closed, for a server shuts down, nobody waits any more."""
        if not self._given:
            self._given = True
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """Before looking at what it tells of: what is set between is at worst heard once too often."""
        self._event.clear()
        self._given = False

    async def comes(self, seconds: float | None = None) -> bool:
        """Wait for it; False where `seconds` pass before it."""
        if self._event.is_set():
            return True
        if seconds is None or seconds == float("inf"):
            return await self._event.wait()
        try:
            return await asyncio.wait_for(self._event.wait(), seconds)
        except asyncio.TimeoutError:
            return False


class Bell:
    """Rung by the threads that write generations, heard on the event loop where it was made.

    Attributes:
        ring: set while any generation has changed since the last answer.
        end: set while any has ended since then.
    """

    def __init__(self, generations: Sequence[Generation]) -> None:
        self.ring, self.end = Signal(), Signal()
        self._changed = [True] * len(generations)
        for index, generation in enumerate(generations):
            generation.subscribe(partial(self._rung, index, generation))

    def answer(self) -> list[int]:
        """The indices of those that have changed since the last answer; at first all."""
        self.ring.clear()
        self.end.clear()
        changed = [index for index, change in enumerate(self._changed) if change]
        for index in changed:
            self._changed[index] = False
        return changed

    def _rung(self, index: int, generation: Generation) -> None:
        """A writer's thread. It changed the generation before it rang, and who answers looks at it afterwards."""
        self._changed[index] = True
        self.ring.set()
        if generation.ended:
            self.end.set()
