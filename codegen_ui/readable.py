"""A completion as any thread reads it: the half that the local and the remote generation share."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from codegen_ui.errors import PlaygroundError
from codegen_ui.generation import Completion, Snapshot, TokenEvent
from codegen_ui.metrics import MetricsRecorder
from codegen_ui.request import FinishReason, GenerationRequest

logger = logging.getLogger(__name__)


class ReadableGeneration:
    """The `Generation` protocol but for `cancel`; writers use `_add`, `_end` and `notify`.

    Text, tokens, figures and end change together under one lock: who sees the end sees everything before it.
    """

    def __init__(self, request: GenerationRequest, *, seed: int, arrival: float, max_new_tokens: int) -> None:
        self.id = f"gen-{secrets.token_hex(8)}"
        self.request = request
        self.seed = seed
        self.arrival = arrival
        self.prompt_ids: tuple[int, ...] = ()
        self.recorder = MetricsRecorder(arrival, max_new_tokens=max_new_tokens, seed=seed)
        self._changed = threading.Condition()
        # Under it: everything below.
        self._ids: list[int] = []
        self._events: list[TokenEvent] = []
        self._pieces: list[str] = []
        self._watchers: list[Callable[[], None]] = []
        self._reason: FinishReason | None = None
        self._error: PlaygroundError | None = None

    # The reader's side.

    @property
    def ended(self) -> bool:
        return self._reason is not None

    def __iter__(self) -> Iterator[str]:
        seen = 0
        while True:
            with self._changed:
                while len(self._pieces) == seen and self._reason is None:
                    self._changed.wait()
                pieces, ended, error = self._pieces[seen:], self._reason is not None, self._error
            seen += len(pieces)
            yield from pieces
            if ended:
                if error is not None:
                    raise error
                return

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
                metrics=self.recorder.snapshot(time.monotonic()),
                prompt_token_ids=self.prompt_ids,
                seed=self.seed,
                tokens=tuple(self._events),
            )

    def snapshot(self) -> Snapshot:
        with self._changed:
            # No more than this: the writer waits meanwhile, and with it everybody whose tokens it writes.
            recorder, pieces = self.recorder.frozen(), list(self._pieces)
            reason, error = self._reason, self._error
        return Snapshot("".join(pieces), recorder.snapshot(time.monotonic()), reason, error)

    def tokens(self, start: int = 0) -> tuple[TokenEvent, ...]:
        with self._changed:
            return tuple(self._events[start:])

    def subscribe(self, wake: Callable[[], None]) -> None:
        with self._changed:
            if self._reason is None:
                self._watchers.append(wake)
                return
        wake()

    # The writer's side; one thread.

    def notify(self) -> None:
        """Tell the watchers that something changed. One that raises is reported and not called again."""
        with self._changed:
            watchers = tuple(self._watchers)
        for wake in watchers:
            try:
                wake()
            except Exception:
                # A reader's fault (its event loop is gone, say) must end neither this generation nor another.
                logger.exception("%s: a reader could not be told of new text", self.id)
                with self._changed:
                    self._watchers.remove(wake)
        if self.ended:
            self._watchers.clear()

    def _add(self, now: float, ids: Iterable[int], events: Sequence[TokenEvent], text: Iterable[str]) -> None:
        """New tokens and what became readable with them."""
        with self._changed:
            if events:
                self.recorder.tokens(now, len(events))
            self._ids.extend(ids)
            self._events.extend(events)
            self._pieces.extend(piece for piece in text if piece)
            self._changed.notify_all()

    def _end(self, now: float, reason: FinishReason, error: PlaygroundError | None, rest: str) -> bool:
        """The end, with text that was held back: part of the last token's. False, and no change, at a second one."""
        with self._changed:
            if self._reason is not None:
                return False
            if rest:
                self._pieces.append(rest)
                if self._events:
                    last = self._events[-1]
                    self._events[-1] = TokenEvent(last.text + rest, last.token_id, last.logprob, last.top, last.time)
            self.recorder.finished(now, early=reason.early)
            self._reason, self._error = reason, error
            self._changed.notify_all()
        return True
