"""The few errors that a visitor or operator may read. Each message is whole: it needs no stack trace beside it."""

from __future__ import annotations

import math


class PlaygroundError(Exception):
    """Base of every error whose text is meant for people."""


class InvalidInput(PlaygroundError):
    """A value that was given is outside its limits.

    Attributes:
        field: the setting's name, as the library, the API and the page call it (``"top_p"``).
        value: what was given, shortened for display.
        limit: what is allowed, in words (``"a number from 0 to 1"``).
    """

    def __init__(self, field: str, value: object, limit: str) -> None:
        self.field = field
        self.value = shorten(value)
        self.limit = limit
        super().__init__(field, value, limit)

    def __str__(self) -> str:
        return f"{self.field}: {self.value} is not allowed; it must be {self.limit}."


class BackendRefused(InvalidInput):
    """A backend found the request itself at fault, so that no other one was asked.

    `field` and `value` are what it named, or the request as a whole; `limit` has its own words.
    """

    def __init__(self, backend: str, reason: str, field: str | None = None, value: object = None) -> None:
        """`reason` fits after the backend's name, such as "answers with HTTP 400: the prompt is too long"."""
        super().__init__(field or "request", value, f"one that the backend {backend} takes, which {reason}")
        if field is None:
            self.value = "this one"


class ModelUnavailable(PlaygroundError):
    """A model cannot be loaded. ``reason`` says why, and what to do about it.

    ``offline`` is true where the hub could not be reached at all, so that the bundled checkpoint may stand in.
    """

    def __init__(self, model: str, reason: str, *, offline: bool = False) -> None:
        self.model = model
        self.reason = reason
        self.offline = offline
        super().__init__(f"{model}: {reason}")


class Busy(PlaygroundError):
    """The queue is full; ``limit`` requests are waiting already, or, where it is ``own``, the visitor's own limit.

    Where the queues are other servers', ``limit`` is None and ``reason`` says which are full. ``retry_seconds`` says
    when to try again, where that is known.
    """

    def __init__(self, limit: int | None, reason: str = "", *, own: bool = False) -> None:
        self.limit = limit
        self.own = own
        self.retry_seconds: float | None = None
        self._reason = reason or f"The queue is full: {limit} requests are waiting already"
        super().__init__(limit, reason)

    def __str__(self) -> str:
        when = "a moment" if self.retry_seconds is None else f"about {max(1, math.ceil(self.retry_seconds))} s"
        return f"{self._reason}. Please try again in {when}."


class GenerationFailed(PlaygroundError):
    """A generation ended by a fault that is not the visitor's. The text so far is kept."""


def shorten(value: object, width: int = 60) -> str:
    """`repr` of a value, cut to `width` characters so that a message stays readable."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"
