"""A completion that another server makes: written by the event loop's thread, read by any."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator

from codegen_ui.errors import PlaygroundError
from codegen_ui.generation import Completion, Snapshot, TokenEvent
from codegen_ui.metrics import MetricsRecorder
from codegen_ui.remote.wire import Piece
from codegen_ui.request import FinishReason, GenerationRequest, StopAt
from codegen_ui.stopping import Stopper


class RemoteGeneration:
    """The `Generation` protocol. Times are taken when a chunk arrives here: the network is part of them."""

    def __init__(self, request: GenerationRequest, seed: int, on_cancel: Callable[[RemoteGeneration], None]) -> None:
        self.id = f"gen-{secrets.token_hex(8)}"
        self.request = request
        self.seed = seed
        self.arrival = time.monotonic()
        self._on_cancel = on_cancel
        self._recorder = MetricsRecorder(self.arrival, max_new_tokens=request.max_new_tokens or 0, seed=seed)
        prompt_text = request.prompt if isinstance(request.prompt, str) else ""
        self._stopper = Stopper(prompt_text, StopAt(request.stop_at), request.stop)
        self._changed = threading.Condition()
        self._prompt_ids: tuple[int, ...] = ()
        self._ids: list[int] = []
        self._events: list[TokenEvent] = []
        self._pieces: list[str] = []
        self._watchers: list[Callable[[], None]] = []
        self._count = 0
        self._started = False
        self._reason: FinishReason | None = None
        self._error: PlaygroundError | None = None

    # The reader's side: the `Generation` protocol.

    @property
    def ended(self) -> bool:
        return self._reason is not None

    def __iter__(self) -> Iterator[str]:
        seen = 0
        while True:
            with self._changed:
                while len(self._pieces) == seen and self._reason is None:
                    self._changed.wait()
                pieces, ended = self._pieces[seen:], self._reason is not None
            seen += len(pieces)
            yield from pieces
            if ended:
                if self._error is not None:
                    raise self._error
                return

    def cancel(self) -> None:
        self._on_cancel(self)

    def result(self, timeout: float | None = None) -> Completion:
        with self._changed:
            if not self._changed.wait_for(lambda: self._reason is not None, timeout):
                raise TimeoutError(f"the generation goes on after {timeout} seconds")
            if self._error is not None:
                raise self._error
            assert self._reason is not None
            return Completion(
                text="".join(self._pieces),
                token_ids=tuple(self._ids),
                finish_reason=self._reason,
                metrics=self._recorder.snapshot(time.monotonic()),
                prompt_token_ids=self._prompt_ids,
                seed=self.seed,
                tokens=tuple(self._events),
            )

    def snapshot(self) -> Snapshot:
        with self._changed:
            metrics = self._recorder.snapshot(time.monotonic())
            return Snapshot("".join(self._pieces), metrics, self._reason, self._error)

    def tokens(self, start: int = 0) -> tuple[TokenEvent, ...]:
        with self._changed:
            return tuple(self._events[start:])

    def subscribe(self, wake: Callable[[], None]) -> None:
        with self._changed:
            if self._reason is None:
                self._watchers.append(wake)
                return
        wake()

    # The event loop's side.

    @property
    def started(self) -> bool:
        """Whether a server has begun to answer."""
        return self._started

    @property
    def count(self) -> int:
        """Tokens that have come."""
        return self._count

    @property
    def prompt_tokens(self) -> int:
        return self._recorder.snapshot(time.monotonic()).prompt_tokens

    def prepare(self, prompt_tokens: int, prompt_ids: tuple[int, ...], *, dropped: int, max_new_tokens: int) -> None:
        """The prompt has been counted and fitted, before anything was sent."""
        with self._changed:
            self._recorder = MetricsRecorder(self.arrival, max_new_tokens=max_new_tokens, seed=self.seed)
            self._recorder.prompt(prompt_tokens, dropped=dropped)
            self._prompt_ids = prompt_ids

    def start(self) -> None:
        """The server has begun to answer."""
        self._started = True
        self._recorder.started(time.monotonic())
        self._notify()

    def add(self, piece: Piece) -> tuple[int, FinishReason | None]:
        """Take a chunk: how many new tokens that were, and the rule of ours that ended it, if any."""
        now = time.monotonic()
        new = self._new_tokens(piece)
        text = self._stopper.push(piece.text)
        if piece.usage is not None and piece.usage[0]:
            self._recorder.prompt(piece.usage[0], dropped=self._recorder.snapshot(now).dropped_prompt_tokens)
        if new:
            self._recorder.tokens(now, new)
        with self._changed:
            self._count += new
            self._ids.extend(piece.token_ids)
            self._events.extend(self._token_events(piece, new, text, now))
            if text:
                self._pieces.append(text)
        self._notify()
        return new, self._stopper.reason

    def finish(self, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        """End it: releases what was held back, tells readers. Later calls change nothing."""
        with self._changed:
            if self._reason is not None:
                return
            rest = self._stopper.finish()
            if rest:
                self._pieces.append(rest)
                if self._events:
                    last = self._events[-1]
                    self._events[-1] = TokenEvent(last.text + rest, last.token_id, last.logprob, last.top, last.time)
            self._recorder.finished(time.monotonic(), early=reason.early)
            self._reason, self._error = reason, error
        self._notify()

    def _new_tokens(self, piece: Piece) -> int:
        """How many tokens a chunk adds: as it says itself, else by the usage so far, else one if it has text."""
        if piece.tokens:
            return piece.tokens
        if piece.usage is not None:
            return max(0, piece.usage[1] - self._count)
        return 1 if piece.text and piece.tokens is None else 0

    def _token_events(self, piece: Piece, new: int, text: str, now: float) -> Iterator[TokenEvent]:
        """One event a token; the chunk's text belongs to the last one."""
        wanted = self.request.logprobs or 0
        for index in range(new):
            token_id = piece.token_ids[index] if index < len(piece.token_ids) else None
            chosen, top = piece.logprobs[index] if index < len(piece.logprobs) else (None, ())
            yield TokenEvent(text if index == new - 1 else "", token_id, chosen, top[:wanted], now)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
            watchers = list(self._watchers)
        for wake in watchers:
            wake()
