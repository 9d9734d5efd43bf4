"""Who was served and how it ended: every request, whichever surface it came through, seen once at its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from codegen_ui.errors import PlaygroundError
from codegen_ui.generation import Generation, Snapshot
from codegen_ui.request import FinishReason, GenerationRequest

logger = logging.getLogger("codegen_ui.requests")

SWEEP_SECONDS = 0.25


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


class Watch:
    """Tells listeners of requests within `SWEEP_SECONDS` of their end.

    It looks at the running ones four times a second, from a thread that lives only while there are any: an engine's
    thread is never held up, and an idle server does nothing.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._running: list[tuple[str, Generation]] = []
        self._thread: threading.Thread | None = None

    def accepted(self, model: str, generation: Generation) -> None:
        """An engine took a request."""
        with self._lock:
            self._running.append((model, generation))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="request watch", daemon=True)
                self._thread.start()

    def refused(self, model: str, request: GenerationRequest, error: PlaygroundError) -> None:
        """No engine took a request."""
        with self._telling:
            for listener in self._listeners:
                listener.refused(Refused(model, request, error))

    def sweep(self) -> None:
        """Tell of those that have ended by now."""
        with self._telling:
            with self._lock:
                running = list(self._running)
            for entry in running:
                model, generation = entry
                snapshot = generation.snapshot()
                if snapshot.finish_reason is None:
                    continue
                with self._lock:
                    self._running.remove(entry)
                times = tuple(token.time for token in generation.tokens())
                for listener in self._listeners:
                    listener.ended(Ended(model, generation.id, generation.request, snapshot, times))

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(SWEEP_SECONDS)
            self.sweep()
            with self._lock:
                if not self._running:
                    self._thread = None
                    return


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
            values["error"] = str(snapshot.error)
        level = logging.WARNING if reason is FinishReason.ERROR else logging.INFO
        logger.log(level, "%s", self._line("request", values, ended.request))

    def refused(self, refused: Refused) -> None:
        values: dict[str, object] = {"model": refused.model, "error": str(refused.error)}
        logger.warning("%s", self._line("refused", values, refused.request))

    def _line(self, word: str, values: dict[str, object], request: GenerationRequest) -> str:
        if self._prompts:
            values["prompt"] = str(request.prompt)
        return " ".join([word, *(f"{name}={quoted(value)}" for name, value in values.items() if value is not None)])


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def quoted(value: object) -> str:
    """A value on one line: quoted, with escapes, unless it is a plain word, so that no prompt can forge a line."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and text and not any(character in text for character in " \"'=\\")
    return text if plain else ascii(text)
