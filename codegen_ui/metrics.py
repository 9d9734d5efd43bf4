"""Honest figures: what is measured, and what it is called.

Definitions follow vLLM's serving benchmark. All times are `time.monotonic()` of one process, in seconds, taken when the
engine has a token, not when a page shows it. Throughput counts output tokens; the figure that also counts the prompt is
kept apart under its own name, because the blog post that this playground grew from prints it as throughput.
"""

from __future__ import annotations

import copy
import enum
import threading
from dataclasses import dataclass

from codegen_ui.pace import percentile, rate_at, rate_history, step_gaps


class State(str, enum.Enum):
    """Where a generation is on its way."""

    QUEUED = "queued"
    PREFILL = "prefill"
    DECODING = "decoding"
    DONE = "done"


@dataclass(frozen=True)
class GenerationMetrics:
    """A snapshot of one generation's figures; None means not known yet.

    Attributes:
        state: see `State`.
        queue_position: 1 for the next to be served; 0 when not waiting.
        prompt_tokens: tokens the model is given; `dropped_prompt_tokens` more were cut from the left, and
            `cached_prompt_tokens` of the given ones came from the prefix cache, `prefilled_tokens` are computed by now,
            those included (0 where a remote does not tell).
        output_tokens: tokens generated so far (those of a cut tail included: they cost time).
        max_new_tokens: how many the length limit would allow.
        queue_seconds: arrival to the first work on it.
        prefill_seconds: first work on it to first token.
        ttft_seconds: arrival to first token, queue and prefill included.
        latency_seconds: arrival to now, or to the end.
        tokens_per_second: output tokens / latency.
        tokens_per_second_now: output tokens of the last second.
        decode_tokens_per_second: (output tokens - 1) / (last token - first token).
        itl_p50_seconds, itl_p95_seconds: percentiles of the gaps between successive tokens; those of one step, where
            drafts were accepted, came together and count as one, as they do in vLLM's benchmark.
        total_tokens_per_second: (prompt + output) / latency, the blog post's figure.
        saved_tokens, saved_seconds: what ending before the length limit saved (time at the mean gap).
        drafted_tokens, accepted_tokens: of prompt-lookup speculation.
        history: points (seconds since arrival, output tokens/s then) for a plot.
        seed: the seed in use.
    """

    state: State = State.QUEUED
    queue_position: int = 0
    prompt_tokens: int = 0
    dropped_prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    prefilled_tokens: int = 0
    output_tokens: int = 0
    max_new_tokens: int = 0
    queue_seconds: float | None = None
    prefill_seconds: float | None = None
    ttft_seconds: float | None = None
    latency_seconds: float = 0.0
    tokens_per_second: float = 0.0
    tokens_per_second_now: float = 0.0
    decode_tokens_per_second: float | None = None
    itl_p50_seconds: float | None = None
    itl_p95_seconds: float | None = None
    total_tokens_per_second: float = 0.0
    saved_tokens: int = 0
    saved_seconds: float = 0.0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    history: tuple[tuple[float, float], ...] = ()
    seed: int | None = None


class MetricsRecorder:
    """Collects one generation's figures: the engine writes, any thread takes snapshots."""

    def __init__(self, arrival: float, *, max_new_tokens: int = 0, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._arrival = arrival
        self._max_new_tokens = max_new_tokens
        self._seed = seed
        self._state = State.QUEUED
        self._queue_position = 0
        self._prompt_tokens = 0
        self._dropped = 0
        self._cached = 0
        self._prefilled = 0
        self._started: float | None = None
        self._ended: float | None = None
        self._times: list[float] = []
        self._drafted = 0
        self._accepted = 0
        self._ended_early = False

    @property
    def state(self) -> State:
        return self._state

    def prompt(self, tokens: int, *, dropped: int = 0) -> None:
        with self._lock:
            self._prompt_tokens, self._dropped = tokens, dropped

    def queued(self, position: int) -> None:
        with self._lock:
            self._queue_position = position

    def started(self, now: float, *, cached: int = 0) -> None:
        """A slot was given; `cached` prompt tokens need no prefill."""
        with self._lock:
            self._state, self._queue_position = State.PREFILL, 0
            self._started, self._cached, self._prefilled = now, cached, cached

    def prefilled(self, tokens: int) -> None:
        """So many of the prompt's tokens are computed, the cached ones among them."""
        with self._lock:
            self._prefilled = tokens

    def tokens(self, now: float, count: int = 1) -> None:
        """`count` output tokens exist as of `now` (several at once when drafts were accepted)."""
        with self._lock:
            self._state = State.DECODING
            self._times.extend([now] * count)

    def drafts(self, drafted: int, accepted: int) -> None:
        with self._lock:
            self._drafted += drafted
            self._accepted += accepted

    def finished(self, now: float, *, early: bool) -> None:
        """`early`: a stop rule ended it, so that the rest up to the length limit was saved."""
        with self._lock:
            self._state, self._queue_position = State.DONE, 0
            self._ended, self._ended_early = now, early

    def frozen(self) -> MetricsRecorder:
        """A copy that stays as it is: figures can be worked out from it while the writer goes on."""
        with self._lock:
            copied = copy.copy(self)
            copied._lock, copied._times = threading.Lock(), list(self._times)
        return copied

    def snapshot(self, now: float) -> GenerationMetrics:
        return self.frozen()._figures(now)

    def _figures(self, now: float) -> GenerationMetrics:
        times = self._times
        end = self._ended if self._ended is not None else now
        first = times[0] if times else None
        gaps = sorted(step_gaps(times))
        latency = max(end - self._arrival, 0.0)
        output = len(times)
        decode = None
        if output > 1 and times[-1] > times[0]:
            decode = (output - 1) / (times[-1] - times[0])
        saved = max(self._max_new_tokens - output, 0) if self._ended_early else 0
        return GenerationMetrics(
            state=self._state,
            queue_position=self._queue_position,
            prompt_tokens=self._prompt_tokens,
            dropped_prompt_tokens=self._dropped,
            cached_prompt_tokens=self._cached,
            prefilled_tokens=self._prefilled,
            output_tokens=output,
            max_new_tokens=self._max_new_tokens,
            queue_seconds=None if self._started is None else self._started - self._arrival,
            prefill_seconds=None if first is None or self._started is None else first - self._started,
            ttft_seconds=None if first is None else first - self._arrival,
            latency_seconds=latency,
            tokens_per_second=output / latency if latency else 0.0,
            tokens_per_second_now=rate_at(times, end),
            decode_tokens_per_second=decode,
            itl_p50_seconds=percentile(gaps, 0.50),
            itl_p95_seconds=percentile(gaps, 0.95),
            total_tokens_per_second=(self._prompt_tokens + output) / latency if latency else 0.0,
            saved_tokens=saved,
            saved_seconds=saved / decode if decode else 0.0,
            drafted_tokens=self._drafted,
            accepted_tokens=self._accepted,
            history=rate_history(times, self._arrival, end),
            seed=self._seed,
        )
