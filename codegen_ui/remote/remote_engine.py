"""An engine that lets OpenAI-compatible completions servers do the work: one thread, one event loop, many servers."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent import futures
from typing import Any, TypeVar

import httpx

from codegen_ui.engine.totals import Totals
from codegen_ui.errors import Busy, GenerationFailed, InvalidInput, PlaygroundError
from codegen_ui.generation import EngineStats, ModelInfo
from codegen_ui.remote.backend import Backend
from codegen_ui.remote.exchange import lost_connection
from codegen_ui.remote.pool import Pool, check_abilities, model_info
from codegen_ui.remote.remote_generation import RemoteGeneration
from codegen_ui.request import FinishReason, GenerationRequest

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
MAX_ACTIVE = 256

T = TypeVar("T")


class RemoteEngine:
    """The `Engine` protocol over completions servers. A context manager; `close` ends its thread.

    A request goes to the server that is up and has the fewest of ours; a server that does not take it is passed over.
    Once tokens have come, a lost connection ends that generation with a message. Every server is probed all the time,
    so that one that comes back is used again.

    Args:
        urls: such as `http://host:8000/v1`.
        model: its name there; None takes the first that each server lists.
        key: sent as a bearer key.
        deadline_seconds: the longest a request may take, counted from arrival.
        max_active: requests on their way at once; one more is `Busy`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        model: str | None = None,
        *,
        key: str | None = None,
        deadline_seconds: float = 300.0,
        max_active: int = MAX_ACTIVE,
    ) -> None:
        """Returns at once, whatever the servers do; see `wait_until_up`. Raises `InvalidInput` for a bad URL."""
        if not urls:
            raise InvalidInput("backend_url", list(urls), "at least one address")
        self._pool = Pool([Backend(url, model, key) for url in urls])
        self._deadline_seconds = deadline_seconds
        self._max_active = max_active
        self._lock = threading.Lock()
        self._tasks: dict[RemoteGeneration, asyncio.Task[None] | None] = {}
        self._totals = Totals()
        self.steps = self._totals.steps  # none: what another server's engine does in a step is not told
        self._closed = False
        self._lost: dict[RemoteGeneration, str] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="remote engine", daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def info(self) -> ModelInfo:
        return model_info(self._pool.backends, self._max_active)

    def wait_until_up(self, timeout: float) -> str:
        """Wait for any server to be up: empty when one is, otherwise why none is after `timeout` seconds."""
        self._ask(self._pool.until_up(), timeout)
        return "" if self._pool.up else self.down()

    def down(self) -> str:
        """Which servers are down and why, for people; empty when all are up."""
        return self._pool.down()

    def submit(self, request: GenerationRequest) -> RemoteGeneration:
        """Send a request on its way; returns at once. Raises `InvalidInput`, `Busy`, or, after `close`,
        `GenerationFailed`."""
        check_abilities(request, self.info)
        generation = RemoteGeneration(request, self._cancel)
        with self._lock:
            if self._closed:
                raise GenerationFailed("The engine is closed.")
            if len(self._tasks) >= self._max_active:
                raise Busy(self._max_active)
            self._tasks[generation] = None
        self._loop.call_soon_threadsafe(self._start, generation)
        return generation

    def encode(self, text: str) -> tuple[int, ...] | None:
        """The token ids of a text, as a server says; None where none does."""
        found = self._ask(self._pool.tokenize(text), ANSWER_SECONDS)
        return None if found is None else found[1]

    def count_tokens(self, text: str) -> int | None:
        found = self._ask(self._pool.tokenize(text), ANSWER_SECONDS)
        return None if found is None else found[0]

    def stats(self) -> EngineStats:
        with self._lock:
            running = list(self._tasks)
        active = sum(generation.started for generation in running)
        counts = self._totals.counts()
        return EngineStats(
            active=active,
            waiting=len(running) - active,
            slots=self._max_active,
            tokens_per_second=self._totals.tokens_per_second(),
            prompt_tokens_total=counts["prompt"],
            generation_tokens_total=counts["generation"],
            finished=self._totals.finished(),
            unavailable="" if self._pool.up else self.down(),
        )

    def on_failure(self, tell: Callable[[str], None]) -> None:
        """Never: servers that are down are tried again all the time, and `stats` says so meanwhile."""

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._loop.call_soon_threadsafe(self._main.cancel)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> RemoteEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _ask(self, question: Coroutine[Any, Any, T], timeout: float) -> T | None:
        """Run a coroutine on the loop from another thread; None when it takes too long."""
        with self._lock:
            if self._closed:
                question.close()
                return None
            answer = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return answer.result(timeout)
        except (futures.TimeoutError, futures.CancelledError):
            answer.cancel()
            return None

    def _cancel(self, generation: RemoteGeneration) -> None:
        with self._lock:
            if self._closed or generation not in self._tasks:
                return
        self._loop.call_soon_threadsafe(self._stop, generation)

    # From here on: the event loop's thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._serve())
        self._ready.set()
        try:
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            logger.debug("remote engine closed")
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        """Probe the servers until cancelled, then end everything."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        async with httpx.AsyncClient(limits=limits) as client:
            self._pool.client = client
            try:
                await self._pool.watch(self._stop)
            finally:
                with self._lock:
                    tasks = dict(self._tasks)
                for task in tasks.values():
                    if task is not None:
                        task.cancel()
                await asyncio.gather(*(task for task in tasks.values() if task), return_exceptions=True)
                for generation in tasks:
                    self._end(generation, FinishReason.CANCELLED)

    def _stop(self, generation: RemoteGeneration, lost: str = "") -> None:
        """End its task, which ends it; `lost`: its server is gone, and why."""
        task = self._tasks.get(generation)
        if task is None:
            return
        if lost:
            self._lost[generation] = lost
        task.cancel()

    def _start(self, generation: RemoteGeneration) -> None:
        with self._lock:
            if self._closed or generation not in self._tasks:
                return
            task = self._loop.create_task(self._generate(generation))
            self._tasks[generation] = task
        task.add_done_callback(lambda done: self._ended(generation, done))

    def _ended(self, generation: RemoteGeneration, task: asyncio.Task[None]) -> None:
        """However its task ended, the generation ends, and its readers hear of it."""
        error = None if task.cancelled() else task.exception()
        if generation in self._lost:
            lost = lost_connection(self._lost.pop(generation), generation.count)
            self._end(generation, FinishReason.ERROR, lost)
        elif task.cancelled():
            self._end(generation, FinishReason.CANCELLED)
        elif isinstance(error, PlaygroundError):
            self._end(generation, FinishReason.ERROR, error)
        elif isinstance(error, asyncio.TimeoutError):
            self._end(generation, FinishReason.DEADLINE)
        elif error is not None:
            logger.error("%s: a fault of ours", generation.id, exc_info=error)
            message = f"Asking the backend failed unexpectedly ({type(error).__name__}); see the server's log."
            self._end(generation, FinishReason.ERROR, GenerationFailed(message))

    def _end(self, generation: RemoteGeneration, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        with self._lock:
            if self._tasks.pop(generation, None) is None and generation.ended:
                return
            self._totals.ended(reason)
            self._totals.started(generation.prompt_tokens, cached=0)
        generation.finish(reason, error)

    async def _generate(self, generation: RemoteGeneration) -> None:
        allowed = generation.request.deadline_seconds or self._deadline_seconds
        left = generation.arrival + min(allowed, self._deadline_seconds) - time.monotonic()
        reason = await asyncio.wait_for(self._pool.generate(generation, self._totals.generated), max(left, 0))
        self._end(generation, reason)
