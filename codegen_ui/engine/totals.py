"""What an engine has done since it started: the engine's thread writes, any thread reads."""

from __future__ import annotations

import threading
import time
from collections import Counter

from codegen_ui.generation import EngineStats
from codegen_ui.pace import RollingRate
from codegen_ui.request import FinishReason
from codegen_ui.steps import RecentSteps


class Totals:
    """Counts of tokens and of ended requests; `steps` are the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._rate = RollingRate()
        self.steps = RecentSteps()

    def started(self, prompt: int, cached: int) -> None:
        """A request got its slot; `cached` of its `prompt` tokens were computed already."""
        with self._lock:
            self._counts.update(started=1, prompt=prompt, hits=int(cached > 0), hit_tokens=cached)

    def generated(self, tokens: int, drafted: int = 0, accepted: int = 0) -> None:
        """New tokens, and how many were drafted for it and right."""
        self._rate.add(time.monotonic(), tokens)
        with self._lock:
            self._counts.update(generation=tokens, drafted=drafted, accepted=accepted)

    def ended(self, reason: FinishReason) -> None:
        with self._lock:
            self._ended[reason.value] += 1

    def counts(self) -> Counter[str]:
        """By name: started, prompt, hits, hit_tokens, generation, drafted, accepted."""
        with self._lock:
            return self._counts.copy()

    def finished(self) -> dict[str, int]:
        """Requests ended so far, by `FinishReason` value."""
        with self._lock:
            return dict(self._ended)

    def tokens_per_second(self) -> float:
        return self._rate.rate(time.monotonic())

    def stats(self) -> EngineStats:
        """The totals among the figures of an engine."""
        counts = self.counts()
        return EngineStats(
            tokens_per_second=self.tokens_per_second(),
            prompt_tokens_total=counts["prompt"],
            generation_tokens_total=counts["generation"],
            finished=self.finished(),
            prefix_cache_queries=counts["started"],
            prefix_cache_hits=counts["hits"],
            prefix_cache_hit_tokens=counts["hit_tokens"],
            drafted_tokens=counts["drafted"],
            accepted_tokens=counts["accepted"],
        )
