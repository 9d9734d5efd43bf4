"""An engine that lets OpenAI-compatible completions servers do the work: one thread, one event loop, many servers."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent import futures
from types import TracebackType
from typing import Any, TypeVar

import httpx

from codegen_ui.errors import (
    BackendRefused,
    Busy,
    GenerationFailed,
    InvalidInput,
    ModelUnavailable,
    PlaygroundError,
)
from codegen_ui.generation import EngineStats, ModelInfo
from codegen_ui.metrics import RollingRate
from codegen_ui.remote.backend import Backend
from codegen_ui.remote.exchange import Unserved, lost_connection, prepare, stream, tokenize_as_text
from codegen_ui.remote.generation import RemoteGeneration
from codegen_ui.remote.info import check_abilities, model_info
from codegen_ui.request import FinishReason, GenerationRequest

logger = logging.getLogger(__name__)

PROBE_SECONDS = 3.0
PROBE_DOWN_SECONDS = 1.0
MISSES_THAT_END_STREAMS = 3
ANSWER_SECONDS = 2.0
MAX_ACTIVE = 256
SEEDS = 2**31
"""Seeds that we choose are below it: every server takes those."""

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
        self._backends = [Backend(url, model, key) for url in urls]
        self._deadline_seconds = deadline_seconds
        self._max_active = max_active
        self._lock = threading.Lock()
        self._tasks: dict[RemoteGeneration, asyncio.Task[None] | None] = {}
        self._finished: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._rate = RollingRate()
        self._closed = False
        self._lost: dict[RemoteGeneration, str] = {}
        self._where: dict[RemoteGeneration, Backend] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="remote engine", daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def info(self) -> ModelInfo:
        return model_info(self._backends, self._max_active)

    def wait_until_up(self, timeout: float) -> str:
        """Wait for any server to be up: empty when one is, otherwise why none is after `timeout` seconds."""
        end = time.monotonic() + timeout
        while not any(backend.up for backend in self._backends):
            if time.monotonic() >= end:
                return self.down()
            time.sleep(0.05)
        return ""

    def down(self) -> str:
        """Which servers are down and why, for people; empty when all are up."""
        return "; ".join(f"{backend.name} {backend.reason}" for backend in self._backends if not backend.up)

    def submit(self, request: GenerationRequest) -> RemoteGeneration:
        """Send a request on its way; returns at once. Raises `InvalidInput`, `Busy`, or, after `close`,
        `GenerationFailed`."""
        check_abilities(request, self.info)
        seed = secrets.randbelow(SEEDS) if request.sampling.seed is None else request.sampling.seed
        generation = RemoteGeneration(request, sample_seed(seed, request.sampling.sample_index), self._cancel)
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
        found = self._ask(self._tokenize_anywhere(text), ANSWER_SECONDS)
        return None if found is None else found[1]

    def count_tokens(self, text: str) -> int | None:
        found = self._ask(self._tokenize_anywhere(text), ANSWER_SECONDS)
        return None if found is None else found[0]

    def stats(self) -> EngineStats:
        with self._lock:
            running = list(self._tasks)
            active = sum(generation.started for generation in running)
            return EngineStats(
                active=active,
                waiting=len(running) - active,
                slots=self._max_active,
                tokens_per_second=self._rate.rate(time.monotonic()),
                prompt_tokens_total=self._totals["prompt"],
                generation_tokens_total=self._totals["generation"],
                finished=dict(self._finished),
                unavailable="" if any(backend.up for backend in self._backends) else self.down(),
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        self._loop.call_soon_threadsafe(self._cancel_task, generation)

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
            self._client = client
            try:
                await asyncio.gather(*(self._probe(backend) for backend in self._backends))
            finally:
                with self._lock:
                    tasks = dict(self._tasks)
                for task in tasks.values():
                    if task is not None:
                        task.cancel()
                await asyncio.gather(*(task for task in tasks.values() if task), return_exceptions=True)
                for generation in tasks:
                    self._end(generation, FinishReason.CANCELLED)

    async def _probe(self, backend: Backend) -> None:
        while True:
            await backend.probe(self._client)
            if backend.misses >= MISSES_THAT_END_STREAMS:
                self._end_streams_of(backend)
            await asyncio.sleep(PROBE_SECONDS if backend.up else PROBE_DOWN_SECONDS)

    def _end_streams_of(self, backend: Backend) -> None:
        """A server that answers no probe will send no token either: its readers are told instead of left waiting."""
        for generation, where in list(self._where.items()):
            task = self._tasks.get(generation)
            if where is backend and task is not None:
                self._lost[generation] = f"{backend.name} {backend.reason}"
                task.cancel()

    def _start(self, generation: RemoteGeneration) -> None:
        with self._lock:
            if self._closed or generation not in self._tasks:
                return
            task = self._loop.create_task(self._generate(generation))
            self._tasks[generation] = task
        task.add_done_callback(lambda done: self._ended(generation, done))

    def _cancel_task(self, generation: RemoteGeneration) -> None:
        task = self._tasks.get(generation)
        if task is not None:
            task.cancel()

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
            self._finished[reason.value] += 1
            self._totals["prompt"] += generation.prompt_tokens
        generation.finish(reason, error)

    async def _generate(self, generation: RemoteGeneration) -> None:
        allowed = generation.request.deadline_seconds or self._deadline_seconds
        left = generation.arrival + min(allowed, self._deadline_seconds) - time.monotonic()
        reason = await asyncio.wait_for(self._ask_in_turn(generation), max(left, 0))
        self._end(generation, reason)

    async def _ask_in_turn(self, generation: RemoteGeneration) -> FinishReason:
        """Ask the servers in order of load until one takes the request.

        Raises `BackendRefused` where one finds it at fault, `Busy` where none takes it and one would later,
        `ModelUnavailable` where none takes it at all, and `GenerationFailed` once tokens have come.
        """
        failures: dict[str, Unserved] = {}
        # Those that are thought to be down come last: one may have come back since the last probe.
        for backend in sorted(self._backends, key=lambda b: (not b.up, b.active)):
            for _ in range(2):  # A kept-alive connection may turn out to be dead: that says nothing of the server.
                try:
                    return await self._ask_one(backend, generation)
                except Unserved as error:
                    failures[backend.name] = error
                    if not isinstance(error.__cause__, httpx.ReadError | httpx.RemoteProtocolError):
                        break
        told = "; ".join(f"{name} {error}" for name, error in failures.items())
        if any(error.busy for error in failures.values()):
            raise Busy(None, f"No backend took the request: {told}")
        raise ModelUnavailable(self.info.name, f"no backend took the request: {told}. Please try again in a moment.")

    async def _ask_one(self, backend: Backend, generation: RemoteGeneration) -> FinishReason:
        if backend.served is None:
            await backend.probe(self._client)
        if backend.served is None:
            raise Unserved(backend.reason)
        backend.active += 1
        self._where[generation] = backend
        try:
            body = await prepare(self._client, backend, backend.served, generation)
            return await stream(self._client, backend, body, generation, self._count)
        finally:
            backend.active -= 1
            self._where.pop(generation, None)

    def _count(self, new: int) -> None:
        """New tokens have come."""
        self._rate.add(time.monotonic(), new)
        with self._lock:
            self._totals["generation"] += new

    async def _tokenize_anywhere(self, text: str) -> tuple[int, tuple[int, ...] | None] | None:
        for backend in self._backends:
            if backend.up:
                try:
                    found = await tokenize_as_text(self._client, backend, text)
                except (Unserved, BackendRefused):
                    continue
                if found is not None:
                    return found
        return None


def sample_seed(seed: int, sample_index: int) -> int:
    """The seed to send for one of several samples: the request's own for the first, a hash of both for the others.

    No server takes a seed and a sample's index. Their sum would make the second sample of a seed the first of the next.
    """
    if sample_index == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/{sample_index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % SEEDS
