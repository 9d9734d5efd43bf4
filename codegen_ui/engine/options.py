"""How an engine is run: frozen, checked once, passed to whoever needs a part of it."""

from __future__ import annotations

from dataclasses import dataclass

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZE = ("none", "int8", "auto")


@dataclass(frozen=True)
class EngineOptions:
    """Options of the engine, by the command line's names.

    Attributes:
        slots: streams decoded together; None chooses by the memory that is free.
        max_waiting: requests that may wait; one more is refused with `Busy`.
        deadline_seconds: the longest a request may take, counted from arrival.
        prefix_cache_mb: budget for the KV of finished prompts, in MiB; 0 turns the cache off.
        lookup: prompt-lookup speculation.
        prefill_chunk: prompt tokens prefilled per step while other streams decode; None adapts it to the step time.
    """

    slots: int | None = None
    max_waiting: int = 64
    deadline_seconds: float = 300.0
    prefix_cache_mb: int = 512
    lookup: bool = True
    prefill_chunk: int | None = None
