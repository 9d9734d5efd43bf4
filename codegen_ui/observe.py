"""Who was served and how it ended: every request, whichever surface it came through, seen once at its end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from codegen_ui.errors import PlaygroundError
from codegen_ui.escaping import quoted
from codegen_ui.follow import until_ended
from codegen_ui.generation import Generation, Snapshot
from codegen_ui.request import FinishReason, GenerationRequest

logger = logging.getLogger("codegen_ui.requests")

QUOTE_CHARACTERS = 16
LAST_SECONDS = 2.0
"""How long the end of a server waits for the lines of the requests that end with it."""


@dataclass(frozen=True)
class Ended:
    """A request that was served. `times` are of its tokens, `time.monotonic()` seconds."""

    model: str
    id: str
    request: GenerationRequest
    snapshot: Snapshot
    times: tuple[float, ...]


@dataclass(frozen=True)
class Refused:
    """A request that no engine took."""

    model: str
    request: GenerationRequest
    error: PlaygroundError


class Listener(Protocol):
    """Told of every request, from one thread at a time; must return soon."""

    def ended(self, ended: Ended) -> None: ...

    def refused(self, refused: Refused) -> None: ...


class Reporter:
    """Tells listeners of each request when it has ended, or that no engine took it.

    Requests that end are told of while `reporting` lasts; an engine's thread is never held up, nor is the event loop.
    A listener that raises is reported in the log and told of the next request all the same.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)
        self._telling = threading.Lock()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[tuple[str, Generation]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def reporting(self, app: object = None) -> AsyncIterator[None]:
        """Follow what engines took before or take while it lasts. At the end it waits for what is just ending.

        It is made to be an application's lifespan, hence `app`.
        """
        with self._lock:
            self._loop = asyncio.get_running_loop()
            early, self._early = self._early, []
        for model, generation in early:
            self._follow(model, generation)
        try:
            yield
        finally:
            with self._lock:
                self._loop = None
            await asyncio.sleep(0)  # what was accepted a moment ago is followed now
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LAST_SECONDS)
            for task in self._tasks:
                task.cancel()

    def accepted(self, model: str, generation: Generation) -> None:
        """An engine took a request. From any thread."""
        with self._lock:
            if self._loop is None:
                self._early.append((model, generation))
            else:
                self._loop.call_soon_threadsafe(self._follow, model, generation)

    def refused(self, model: str, request: GenerationRequest, error: PlaygroundError) -> None:
        """No engine took a request. From any thread."""
        refused = Refused(model, request, error)
        self._tell(lambda listener: listener.refused(refused))

    def _follow(self, model: str, generation: Generation) -> None:
        task = asyncio.get_running_loop().create_task(self._report(model, generation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _report(self, model: str, generation: Generation) -> None:
        await until_ended(generation)
        times = tuple(token.time for token in generation.tokens())
        ended = Ended(model, generation.id, generation.request, generation.snapshot(), times)
        await asyncio.to_thread(self._tell, lambda listener: listener.ended(ended))

    def _tell(self, news: Callable[[Listener], None]) -> None:
        with self._telling:
            for listener in self._listeners:
                try:
                    news(listener)
                except Exception:
                    # A fault of ours, or a log that cannot be written: the other listeners are told all the same.
                    logger.exception("%s could not be told of a request", type(listener).__name__)


class RequestLog:
    """One `key=value` line a request; the prompt is part of it only where the operator asked for that."""

    def __init__(self, *, prompts: bool = False) -> None:
        self._prompts = prompts

    def ended(self, ended: Ended) -> None:
        snapshot, figures = ended.snapshot, ended.snapshot.metrics
        reason = snapshot.finish_reason or FinishReason.ERROR
        values: dict[str, object] = {
            "id": ended.id,
            "model": ended.model,
            "outcome": reason.value,
            "prompt_tokens": figures.prompt_tokens,
            "cached_tokens": figures.cached_prompt_tokens,
            "output_tokens": figures.output_tokens,
            "queue_ms": milliseconds(figures.queue_seconds),
            "ttft_ms": milliseconds(figures.ttft_seconds),
            "latency_ms": milliseconds(figures.latency_seconds),
            "tokens_per_second": round(figures.tokens_per_second, 1),
        }
        if snapshot.error is not None:
            values["error"] = self._words(snapshot.error, ended.request)
        level = logging.WARNING if reason is FinishReason.ERROR else logging.INFO
        logger.log(level, "%s", self._line("request", values, ended.request))

    def refused(self, refused: Refused) -> None:
        values: dict[str, object] = {"model": refused.model, "error": self._words(refused.error, refused.request)}
        logger.warning("%s", self._line("refused", values, refused.request))

    def _words(self, error: PlaygroundError, request: GenerationRequest) -> str:
        """An error's text, unless it quotes a prompt that the log must not have; another server's often does."""
        text = str(error)
        if self._prompts or not quotes(text, str(request.prompt)):
            return text
        return f"{type(error).__name__}, whose words quote the prompt"

    def _line(self, word: str, values: dict[str, object], request: GenerationRequest) -> str:
        if self._prompts:
            values["prompt"] = str(request.prompt)
        return " ".join([word, *(f"{name}={quoted(value)}" for name, value in values.items() if value is not None)])


def quotes(text: str, prompt: str) -> bool:
    """Whether a text has a part of a prompt in it that is no coincidence, or all of a short one."""
    if len(prompt) < QUOTE_CHARACTERS:
        return len(prompt.strip()) > 3 and prompt.strip() in text
    return any(text[at : at + QUOTE_CHARACTERS] in prompt for at in range(len(text) - QUOTE_CHARACTERS + 1))


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
