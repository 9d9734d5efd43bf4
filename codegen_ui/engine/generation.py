"""A completion in the making, as the engine's thread writes it and any other thread reads it."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer

from codegen_ui.engine.stream import GenerationStream, decode_all
from codegen_ui.errors import GenerationFailed, PlaygroundError
from codegen_ui.generation import Completion, Snapshot, TokenEvent, TokenLogprob
from codegen_ui.metrics import GenerationMetrics, MetricsRecorder
from codegen_ui.request import FinishReason, GenerationRequest, StopAt
from codegen_ui.stopping import Stopper

logger = logging.getLogger(__name__)


class LiveGeneration:
    """The engine's `Generation`. Only the engine's thread calls `add_tokens` and `finish`; the rest is for everyone.

    Args:
        request: what was asked for.
        prompt_ids: what the model is given, after truncation from the left.
        max_new_tokens: how many tokens may follow, at least 1.
        seed: the one in use.
        deadline: `time.monotonic()` at which it ends whatever happens.
        eos: the id that ends a text, or None.
        tokenizer: transformers' own, for the streamer.
        core: see `stream.plain_tokenizer`.
    """

    def __init__(
        self,
        request: GenerationRequest,
        prompt_ids: tuple[int, ...],
        *,
        dropped: int,
        max_new_tokens: int,
        seed: int,
        arrival: float,
        deadline: float,
        eos: int | None,
        tokenizer: Any,
        core: Tokenizer,
    ) -> None:
        self.id = f"gen-{secrets.token_hex(8)}"
        self.request = request
        self.prompt_ids = prompt_ids
        self.max_new_tokens = max_new_tokens
        self.seed = seed
        self.arrival = arrival
        self.deadline = deadline
        self.recorder = MetricsRecorder(arrival, max_new_tokens=max_new_tokens, seed=seed)
        self.recorder.prompt(len(prompt_ids), dropped=dropped)
        self.cancelled_at: float | None = None
        self._eos = eos
        self._core = core
        self._stream = GenerationStream(tokenizer, core=core)
        prompt_text = request.prompt if isinstance(request.prompt, str) else decode_all(core, request.prompt)
        self._stopper = Stopper(prompt_text, StopAt(request.stop_at), request.stop)
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._ids: list[int] = []
        self._events: list[TokenEvent] = []
        self._pieces: list[str] = []
        self._watchers: list[Callable[[], None]] = []
        self._reason: FinishReason | None = None
        self._error: PlaygroundError | None = None

    # The reader's side: the `Generation` protocol.

    @property
    def ended(self) -> bool:
        return self._done.is_set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def cancel(self) -> None:
        with self._lock:
            if self.cancelled_at is not None or self._reason is not None:
                return
            self.cancelled_at = time.monotonic()

    def result(self, timeout: float | None = None) -> Completion:
        if not self._done.wait(timeout):
            raise TimeoutError(f"the generation goes on after {timeout} seconds")
        if self._error is not None:
            raise self._error
        snapshot = self.snapshot()
        assert snapshot.finish_reason is not None
        return Completion(
            text=snapshot.text,
            token_ids=tuple(self._ids),
            finish_reason=snapshot.finish_reason,
            metrics=snapshot.metrics,
            prompt_token_ids=self.prompt_ids,
            seed=self.seed,
            tokens=self.tokens(),
        )

    def snapshot(self) -> Snapshot:
        metrics = self.recorder.snapshot(time.monotonic())
        with self._lock:
            if len(self._pieces) > 1:
                self._pieces = ["".join(self._pieces)]
            text = self._pieces[0] if self._pieces else ""
            return Snapshot(text, metrics, self._reason, self._error)

    def tokens(self, start: int = 0) -> tuple[TokenEvent, ...]:
        with self._lock:
            return tuple(self._events[start:])

    def subscribe(self, wake: Callable[[], None]) -> None:
        with self._lock:
            # Not `_reason`, which is set a moment earlier: whoever is woken must find `result` ready.
            if not self._done.is_set():
                self._watchers.append(wake)
                return
        wake()

    # The engine's side.

    @property
    def finished(self) -> bool:
        return self._reason is not None

    @property
    def output_ids(self) -> Sequence[int]:
        return self._ids

    def add_tokens(
        self,
        now: float,
        ids: Sequence[int],
        logprobs: Sequence[tuple[float, Sequence[tuple[int, float]]]] | None = None,
    ) -> FinishReason | None:
        """Take new tokens in order, up to the one that ends the text; returns why it ended, or None.

        `logprobs` has, for each id, that of the id and the likeliest (id, logprob) pairs, best first. The caller then
        calls `finish` with the reason.
        """
        reason = None
        taken = 0
        for index, token in enumerate(ids):
            taken += 1
            self._ids.append(token)
            ended = token == self._eos and self.request.stop_at is not StopAt.LENGTH
            text = self._stopper.push("" if token == self._eos else self._stream.decoder.push(token))
            reason = self._stopper.reason
            if reason is None and ended:
                reason = FinishReason.EOS
            if reason is None and len(self._ids) >= self.max_new_tokens:
                reason = FinishReason.LENGTH
            if reason in (FinishReason.EOS, FinishReason.LENGTH):
                text += self._release_rest()
                reason = self._stopper.reason or reason
            chosen, top = (None, ()) if logprobs is None else self._named(token, *logprobs[index])
            with self._lock:
                self._events.append(TokenEvent(text, token, chosen, top, now))
                if text:
                    self._pieces.append(text)
            self._stream.write(text)
            if reason is not None:
                break
        self.recorder.tokens(now, taken)
        return reason

    def finish(self, now: float, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        """End it: releases what is held back, tells readers and watchers. Later calls change nothing."""
        if self.finished:
            return
        rest = self._release_rest() if reason in (FinishReason.CANCELLED, FinishReason.DEADLINE) else ""
        self.recorder.finished(now, early=reason.early)
        with self._lock:
            if rest:
                self._pieces.append(rest)
                if self._events:
                    last = self._events[-1]
                    self._events[-1] = TokenEvent(last.text + rest, last.token_id, last.logprob, last.top, last.time)
            if reason is FinishReason.ERROR and error is None:
                error = GenerationFailed("The engine failed while generating; the text so far is kept.")
            self._error = error
            self._reason = reason
        self._stream.write(rest)
        if error is not None:
            self._stream.fail(error)
        else:
            self._stream.close()
        with self._lock:
            self._done.set()
        self.notify()
        self._watchers.clear()

    def notify(self) -> None:
        """Tell the watchers that something changed. One that raises is reported and not called again."""
        for wake in tuple(self._watchers):
            try:
                wake()
            except Exception:
                # A reader's fault (its event loop is gone, say) must not end everybody's engine.
                logger.exception("%s: a reader could not be told of new text", self.id)
                self._watchers.remove(wake)

    def metrics(self) -> GenerationMetrics:
        return self.recorder.snapshot(time.monotonic())

    def _release_rest(self) -> str:
        released = self._stopper.push(self._stream.decoder.finish())
        return released if self._stopper.reason is not None else released + self._stopper.finish()

    def _named(
        self, token: int, logprob: float, top: Sequence[tuple[int, float]]
    ) -> tuple[TokenLogprob, tuple[TokenLogprob, ...]]:
        def named(token_id: int, value: float) -> TokenLogprob:
            return TokenLogprob(str(self._core.decode([token_id], skip_special_tokens=False)), value, token_id)

        wanted = self.request.logprobs or 0
        return named(token, logprob), tuple(named(*pair) for pair in top[:wanted])
