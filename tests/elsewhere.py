"""Contenders for processes of their own, in a module that such a process imports in no time."""

from __future__ import annotations

import os


class Elsewhere:
    """Takes a second a token, and tells where and how it runs."""

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        if streams > 8:
            raise ValueError(f"{streams} streams are too many")
        return float(new_tokens)

    def process(self) -> tuple[int, str | None]:
        return os.getpid(), os.environ.get("GOMP_SPINCOUNT")


def impossible() -> Elsewhere:
    raise RuntimeError("this contender is not installed")
