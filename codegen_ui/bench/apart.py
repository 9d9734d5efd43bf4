"""A contender in a process of its own.

In one process PyTorch, CTranslate2 and a second use of PyTorch keep a pool of threads each, and GNU's OpenMP puts them
all to sleep at every pause once they outnumber the cores: a contender would be about a third slower than it is alone.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from codegen_ui.bench.contenders import Contender
from codegen_ui.engine.threads import SPIN_VARIABLE, wait_briefly


class Apart:
    """Starts a process that makes a contender, and passes calls on to it. A context manager.

    Args:
        make: makes it; a picklable callable.
        ours: whether its threads are to wait as this project sets it, rather than by the library's default.

    Raises whatever `make` raises.
    """

    def __init__(self, make: Callable[[], Contender], *, ours: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=answer, args=(make, theirs), daemon=True)
        with _waiting(ours):
            self._process.start()
        self._reply()

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        self._pipe.send(("seconds", (streams, new_tokens, prompt_tokens)))
        return float(self._reply())

    def ask(self, method: str) -> Any:
        """Call another of the contender's methods."""
        self._pipe.send((method, ()))
        return self._reply()

    def close(self) -> None:
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _reply(self) -> Any:
        answer = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def answer(make: Callable[[], Contender], pipe: Connection) -> None:
    """The process: make the contender, then answer calls until the other end closes."""
    try:
        contender = make()
        pipe.send(None)
        while True:
            method, arguments = pipe.recv()
            pipe.send(getattr(contender, method)(*arguments))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 -- raised again by `_reply`
        pipe.send(error)


@contextmanager
def _waiting(ours: bool) -> Iterator[None]:
    """What a process that starts now inherits: our way of waiting, or none."""
    before = os.environ.pop(SPIN_VARIABLE, None)
    try:
        if ours:
            wait_briefly()
        yield
    finally:
        os.environ.pop(SPIN_VARIABLE, None)
        if before is not None:
            os.environ[SPIN_VARIABLE] = before
