"""The few errors that a visitor or operator may read. Each message is whole: it needs no stack trace beside it."""

from __future__ import annotations


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
        super().__init__(f"{field}: {self.value} is not allowed; it must be {limit}.")


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
    """The queue is full; ``limit`` requests are waiting already."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"The queue is full: {limit} requests are waiting already. Please try again in a moment.")


class GenerationFailed(PlaygroundError):
    """A generation ended by a fault that is not the visitor's. The text so far is kept."""


def shorten(value: object, width: int = 60) -> str:
    """`repr` of a value, cut to `width` characters so that a message stays readable."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"
