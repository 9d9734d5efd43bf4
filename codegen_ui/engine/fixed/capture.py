"""How a step of a fixed shape is kept for later: as a CUDA graph, or not at all.

A CUDA graph is what a GPU was told to do while it was recorded, on the same tensors, told again in one launch. On ROCm
PyTorch gives hipGraph the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from codegen_ui.errors import InvalidInput

Compute = Callable[[], None]
"""Reads and writes tensors that stay where they are."""


class Capture(Protocol):
    """Keeps computations of one cache, which nobody else uses meanwhile."""

    def __call__(self, compute: Compute) -> Compute:
        """What does from now on what `compute` does; may call it. Raises `RuntimeError` where that is not possible."""
        ...

    @property
    def bytes(self) -> int:
        """Of the device's memory that have been taken for it."""
        ...


class CudaGraphs:
    """Records; all graphs share one pool of memory, as no two of them run at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._free = torch.cuda.mem_get_info(device)[0]

    def __call__(self, compute: Compute) -> Compute:
        before = torch.cuda.current_stream(self._device)
        try:
            self._stream.wait_stream(before)
            with torch.cuda.stream(self._stream):
                compute()  # what libraries allocate at a first call must not be allocated while recording
            before.wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # Only this thread must not wait for the device meanwhile: another model's may.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                compute()
        finally:
            # Where recording fails, torch leaves its own stream behind as the current one.
            torch.cuda.set_stream(before)
        return graph.replay

    @property
    def bytes(self) -> int:
        return max(0, self._free - torch.cuda.mem_get_info(self._device)[0])


def resolve_graphs(choice: str, device: torch.device) -> bool:
    """Whether to record steps, by the option's name. Raises `InvalidInput` for "on" where there are no graphs."""
    if choice == "on" and device.type != "cuda":
        raise InvalidInput("cuda_graphs", choice, f"auto or off on {device.type}: only CUDA and ROCm have them")
    return choice != "off" and device.type == "cuda"


def capture_for(choice: str, device: torch.device) -> Capture | None:
    """As `resolve_graphs`; None where nothing is to be recorded."""
    return CudaGraphs(device) if resolve_graphs(choice, device) else None
