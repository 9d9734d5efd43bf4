"""Decode steps of fixed shapes on a model and its cache: recorded once, replayed from then on.

Every tensor that such a step begins and ends with stays where it is: numbers that say which tokens, positions and
slots, and the logits. They are shared by all shapes.

A step is kept for later as a CUDA graph, or not at all. A CUDA graph is what a GPU was told to do while it was
recorded, on the same tensors, told again in one launch. On ROCm PyTorch gives hipGraph the same names.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from humanize import naturalsize
from torch import Tensor

from codegen_ui.engine.decoders import Cache, Decoder
from codegen_ui.engine.device import memory_free
from codegen_ui.engine.fixed.buckets import Bucket, Buckets, fill
from codegen_ui.engine.kv.cache import KVCache, ScatteredWrites
from codegen_ui.engine.model.attention import gathered
from codegen_ui.engine.model.decoder import CodeGenModel
from codegen_ui.engine.model.layout import Segment, check_segments
from codegen_ui.errors import InvalidInput

logger = logging.getLogger(__name__)

Compute = Callable[[], None]
"""Reads and writes tensors that stay where they are."""
MEMORY_SHARE, MOST_BYTES = 1 / 3, 4 * 2**30
"""Of what the weights and the cache have left free, and never more."""


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


class FixedSteps:
    """Computes what has one of the recorded shapes. For the engine's thread only, once `record` is done.

    Args:
        buckets: the shapes to record.
        most_bytes: of the device's memory that recording may take.
    """

    def __init__(self, model: CodeGenModel, cache: KVCache, buckets: Buckets, *, most_bytes: int) -> None:
        self._model = model
        self._cache = cache
        self._buckets = buckets
        self._most_bytes = most_bytes
        self._recorded: dict[Bucket, Compute] = {}
        self._rows = max(bucket.rows for bucket in buckets.all())
        self._numbers = torch.zeros(4 * self._rows, dtype=torch.int64, device=model.device)
        self._logits = torch.zeros(self._rows, model.config.vocab_size, device=model.device)

    @property
    def recorded(self) -> int:
        """How many shapes."""
        return len(self._recorded)

    @torch.inference_mode()
    def record(self, capture: Capture, tell: Callable[[str], None]) -> None:
        """Record every shape that the memory allows; `tell` hears how far that is.

        Nothing but slot 0's first position of the cache is written. The first shape that cannot be recorded ends it,
        with a warning: the rest is computed as if it had no shape.
        """
        begin = time.monotonic()
        shapes = [one for one in self._buckets.all() if self.scratch_bytes(one) <= self._most_bytes]
        for number, bucket in enumerate(shapes, start=1):
            tell(f"recording decode steps for the GPU, {number} of {len(shapes)}")
            try:
                self._numbers.zero_()
                recorded = capture(lambda bucket=bucket: self._compute(bucket))  # type: ignore[misc]
            except RuntimeError as error:
                reason = str(error).partition("\n")[0]
                logger.warning(
                    "%d of %d decode steps recorded, others run eagerly: %s", number - 1, len(shapes), reason
                )
                return
            self._recorded[bucket] = recorded
            if capture.bytes > self._most_bytes:
                taken = naturalsize(capture.bytes, binary=True)
                logger.warning("%d of %d decode steps recorded: they take %s", number, len(shapes), taken)
                return
        taken, seconds = naturalsize(capture.bytes, binary=True), time.monotonic() - begin
        logger.info("%d decode steps recorded in %.1f s, they take %s", len(shapes), seconds, taken)

    @torch.inference_mode()
    def step(self, segments: Sequence[Segment]) -> Tensor | None:
        """As `CodeGenModel.step`, for segments that fit a recorded shape; else None, and nothing was done.

        The logits stay until the next step.
        """
        if not segments:
            return None
        bucket = self._buckets.smallest(segments)
        replay = None if bucket is None else self._recorded.get(bucket)
        if bucket is None or replay is None:
            return None
        check_segments(segments, self._cache.slots, self._cache.length, self._model.config.vocab_size)
        filled = fill(bucket, segments)
        numbers = torch.tensor(filled.numbers, dtype=torch.int64, pin_memory=self._numbers.device.type == "cuda")
        self._numbers[: len(filled.numbers)].copy_(numbers, non_blocking=True)
        replay()
        count = len(filled.wanted)
        if filled.wanted == list(range(count)):
            return self._logits[:count]
        return self._logits.index_select(0, self._numbers[3 * bucket.rows : 3 * bucket.rows + count])

    def scratch_bytes(self, bucket: Bucket) -> int:
        """What a step takes beside what stays: one layer's keys and values, side by side, scores, and its buffers."""
        config, size = self._model.config, self._model.dtype.itemsize
        read = 2 * bucket.streams * bucket.length * config.n_embd * size
        scores = bucket.rows * bucket.length * (config.n_head * 4 + 2 * size)
        return read + scores + bucket.rows * (2 * (3 * config.n_embd + config.inner) + config.vocab_size) * size

    def _compute(self, bucket: Bucket) -> None:
        """The step itself: from the numbers that lie there to the logits."""
        tokens, positions, slots = self._numbers[: 3 * bucket.rows].view(3, -1).unbind(0)
        own = slots.view(bucket.streams, bucket.tokens)[:, 0]
        tensors = self._model.bind(
            positions,
            lambda queries: (gathered(queries, positions, own, bucket.length, self._cache),),
            lambda value_key: ScatteredWrites(self._cache.data, value_key, slots, positions),
        )
        self._logits[: bucket.rows].copy_(self._model.forward(tokens, tensors))


def recorded_steps(
    capture: Capture | None,
    model: Decoder,
    cache: Cache,
    *,
    streams: int,
    drafts: bool,
    tell: Callable[[str], None],
) -> FixedSteps | None:
    """All steps of fixed shape for `streams` streams, recorded; None where nothing is to be recorded.

    `drafts`: whether they may have drafts to verify. `tell` hears how far it is.
    """
    if capture is None or not isinstance(model, CodeGenModel) or not isinstance(cache, KVCache):
        return None
    most = min(MOST_BYTES, int(memory_free(model.device) * MEMORY_SHARE))
    fixed = FixedSteps(model, cache, Buckets(streams, cache.length, drafts), most_bytes=most)
    fixed.record(capture, tell)
    return fixed
