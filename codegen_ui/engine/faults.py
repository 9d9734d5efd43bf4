"""What may go wrong in a step, and what visitors are told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch

from codegen_ui.errors import GenerationFailed


def out_of_memory(error: BaseException) -> bool:
    """Python's, a GPU's, or the CPU allocator's way of saying it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def failure(error: BaseException) -> GenerationFailed:
    """What a generation ends with, the cause attached; without its traceback, whose frames would keep the weights."""
    if out_of_memory(error):
        message = "The memory did not suffice to go on generating; the text so far is kept."
    elif isinstance(error, OverflowError):
        message = (
            "The model's numbers overflowed while generating; the text so far is kept. "
            "A dtype of bfloat16 or float32 may avoid it."
        )
    else:
        message = f"The engine failed while generating ({type(error).__name__}); the text so far is kept."
    found = GenerationFailed(message)
    found.__cause__ = error.with_traceback(None)
    return found


class Failure:
    """Whether an engine ended by a fault, in words, and who is to be told of it. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason = ""
        self._listeners: list[Callable[[str], None]] = []

    @property
    def reason(self) -> str:
        """Empty while nothing has happened."""
        return self._reason

    def on(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with the reason, at once if it has happened already."""
        with self._lock:
            reason = self._reason
            if not reason:
                self._listeners.append(tell)
        if reason:
            tell(reason)

    def happened(self, reason: str) -> None:
        """From now on there is a reason; the listeners hear of it by `tell`, when everything has been put away."""
        with self._lock:
            self._reason = reason

    def tell(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(self._reason)
