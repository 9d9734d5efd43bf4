"""How many requests a visitor may send, by the library `limits` (a sliding window, counted in memory)."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from codegen_ui.door.answers import Refusal


class Rate:
    """At most `per_minute` hits of one name; 0 is no limit."""

    def __init__(self, per_minute: int, what: str = "requests") -> None:
        self._what = what
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage()) if per_minute else None

    def hit(self, visitor: str) -> None:
        """Count one. Raises `Refusal` 429 with `Retry-After` beyond the limit."""
        if self._limiter is not None and self._item is not None and not self._limiter.hit(self._item, visitor):
            raise self._refusal(visitor)

    def check(self, visitor: str) -> None:
        """The same without counting."""
        if self._limiter is not None and self._item is not None and not self._limiter.test(self._item, visitor):
            raise self._refusal(visitor)

    def _refusal(self, visitor: str) -> Refusal:
        assert self._limiter is not None
        assert self._item is not None
        wait = max(1, math.ceil(self._limiter.get_window_stats(self._item, visitor).reset_time - time.time()))
        message = f"More than {self._item.amount:,} {self._what} a minute; please wait {wait} s."
        return Refusal(429, message, "rate_limit_exceeded", {"Retry-After": str(wait)})
