"""From the engine's thread to the event loop: generations followed without blocking or polling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fastapi import Request

from codegen_ui.generation import Completion, Generation, TokenEvent


@dataclass(frozen=True)
class Update:
    """News of the generation at `index`: a token, or, last, its completion."""

    index: int
    token: TokenEvent | None = None
    completion: Completion | None = None


async def follow(generations: Sequence[Generation], *, heartbeat: float) -> AsyncIterator[Update | None]:
    """Every token and every completion as they come; None whenever `heartbeat` seconds passed without news.

    Raises the `PlaygroundError` that ended any of the generations.
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def wake() -> None:
        # A generation may outlive the loop that followed it (a server that shuts down): nobody listens then.
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    for generation in generations:
        generation.subscribe(wake)
    seen = [0] * len(generations)
    going = list(range(len(generations)))
    while going:
        changed.clear()
        for index in list(going):
            # The end is looked at before the tokens, so that no token can slip in between unseen.
            completion = completed(generations[index])
            for token in generations[index].tokens(seen[index]):
                seen[index] += 1
                yield Update(index, token=token)
            if completion is not None:
                going.remove(index)
                yield Update(index, completion=completion)
        if going:
            try:
                await asyncio.wait_for(changed.wait(), heartbeat)
            except asyncio.TimeoutError:
                yield None


def completed(generation: Generation) -> Completion | None:
    """The completion if the generation has ended. Raises the `PlaygroundError` that ended it, if any."""
    try:
        return generation.result(timeout=0)
    except TimeoutError:
        return None


async def completions(generations: Sequence[Generation]) -> list[Completion]:
    """Wait for all, in their order. Raises the first error."""
    found: dict[int, Completion] = {}
    async for update in follow(generations, heartbeat=3600):
        if update is not None and update.completion is not None:
            found[update.index] = update.completion
    return [found[index] for index in range(len(generations))]


async def unless_disconnected(request: Request, generations: Sequence[Generation]) -> list[Completion] | None:
    """The completions, or None as soon as the client hangs up; the generations are cancelled then."""
    work = asyncio.ensure_future(completions(generations))
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for generation in generations:
            generation.cancel()
        work.cancel()
        gone.cancel()


async def disconnected(request: Request) -> None:
    """Return when the client hangs up; its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
