"""What a step works in, and the tables of int64 by which it finds everything, kept from step to step: one of arguments,
and one of each layer's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.layout import Segment
from codegen_ui.engine.native.cache import BLOCK, ByteCache
from codegen_ui.engine.native.gemm import CACHE_LINE, CHANNELS, aligned

Table = npt.NDArray[np.int64]
PARTS = 8
"""Counters that a layer has, one for each part of its work."""
TILE_ROWS = 8
"""The products take so many rows at a time; what they write beyond a step's own rows must hurt nobody."""
FLOAT, LONG = 4, 8
LEAST_ROWS = 32


class Argument(IntEnum):
    """Places in the table of arguments: numbers, and from `EPSILON` on addresses."""

    ROWS = 0
    WANTED = 1
    LAYERS = 2
    WIDTH = 3
    INNER = 4
    HEADS = 5
    ROTARY_PAIRS = 6
    HEAD_PANELS = 7
    LENGTH = 8
    LAYER_CODES = 9
    LAYER_SCALES = 10
    SCRATCH_BYTES = 11
    EPSILON = 12
    WEIGHTS = 13
    LAST = 14
    CODES = 15
    ROW_SCALES = 16
    COUNTERS = 17
    SCRATCH = 18
    TURNS = 19
    POSITIONS = 20
    CACHE_CODES = 21
    CACHE_SCALES = 22
    PLACES_PROJECTED = 23
    PLACES_HIDDEN = 24
    WANTED_PROJECTED = 25
    WANTED_HIDDEN = 26
    PLACES_LOGITS = 27


class Weight(IntEnum):
    """Places in a layer's table, and in that of the final norm and the head, which is the input product there."""

    NORM_WEIGHT = 0
    NORM_BIAS = 1
    IN_PACKED = 2
    IN_SUMS = 3
    IN_SCALES = 4
    IN_BIASES = 5
    OUT_PACKED = 6
    OUT_SUMS = 7
    OUT_SCALES = 8
    OUT_BIASES = 9


FIELDS = len(Weight)


class Workspace:
    """Buffers for steps of any number of rows; they grow when needed.

    Attributes:
        arguments: the table of `step`.
        hidden: float32 `[rows, n_embd]`, more than a step's rows; the caller puts the tokens' embeddings there.
    """

    def __init__(self, config: ModelConfig, layers: Table, last: Table, turns: Tensor, head_panels: int) -> None:
        self._config = config
        self._kept = (layers, last, turns)
        self._epsilon = np.array([config.layer_norm_epsilon], dtype=np.float32)
        self._counters = np.zeros((config.n_layer + 1) * PARTS, dtype=np.int64)
        self._head_width = head_panels * CHANNELS
        self._spare_logits = torch.empty(self._head_width)
        self._threads = 0
        self._rows = 0
        self.arguments: Table = np.zeros(len(Argument), dtype=np.int64)
        self._set(
            LAYERS=config.n_layer,
            WIDTH=config.n_embd,
            INNER=config.inner,
            HEADS=config.n_head,
            ROTARY_PAIRS=config.rotary_dim // 2,
            HEAD_PANELS=head_panels,
            EPSILON=self._epsilon.ctypes.data,
            WEIGHTS=layers.ctypes.data,
            LAST=last.ctypes.data,
            TURNS=turns.data_ptr(),
            COUNTERS=self._counters.ctypes.data,
        )

    def prepare(self, segments: Sequence[Segment], cache: ByteCache) -> None:
        """Fill the tables for a step over these segments' tokens, in their order."""
        counts = [len(segment.tokens) for segment in segments]
        rows = sum(counts)
        self._grow(rows)
        self._have_scratch(cache)
        self._positions = np.concatenate([np.arange(s.start, s.stop, dtype=np.int64) for s in segments])
        slots = np.repeat(np.array([segment.slot for segment in segments], dtype=np.int64), counts)
        ends = np.cumsum(counts).tolist()
        wanted = [row for s, end in zip(segments, ends, strict=True) for row in range(end - s.logits, end)]
        self._wanted = np.array(wanted + list(range(rows, rows + TILE_ROWS)), dtype=np.int64)
        self._wanted_hidden = self._places_hidden[self._wanted]
        self._wanted_projected = self._places_projected[self._wanted]
        codes, scales = cache.codes, cache.scales
        self._cache_codes = codes.data_ptr() + slots * codes.stride(1)
        self._cache_scales = scales.data_ptr() + slots * (scales.stride(1) * scales.element_size())
        self._counters[:] = 0
        self._set(
            ROWS=rows,
            WANTED=len(wanted),
            LENGTH=cache.room,
            LAYER_CODES=codes.stride(0),
            LAYER_SCALES=scales.stride(0) * scales.element_size(),
            POSITIONS=self._positions.ctypes.data,
            CACHE_CODES=self._cache_codes.ctypes.data,
            CACHE_SCALES=self._cache_scales.ctypes.data,
            WANTED_HIDDEN=self._wanted_hidden.ctypes.data,
            WANTED_PROJECTED=self._wanted_projected.ctypes.data,
        )

    def new_logits(self) -> Tensor:
        """Where this step's logits go: fp32 `[rows wanted, vocabulary rounded up]`."""
        count = int(self.arguments[Argument.WANTED])
        logits = torch.empty(count, self._head_width)
        self._places_logits = np.full(count + TILE_ROWS, self._spare_logits.data_ptr(), dtype=np.int64)
        self._places_logits[:count] = logits.data_ptr() + np.arange(count) * (self._head_width * FLOAT)
        self._set(PLACES_LOGITS=self._places_logits.ctypes.data)
        return logits

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            self.arguments[Argument[name]] = value

    def _grow(self, rows: int) -> None:
        if rows <= self._rows:
            return
        config = self._config
        self._rows = max(rows, 2 * self._rows, LEAST_ROWS)
        room = self._rows + TILE_ROWS
        width, whole = config.n_embd, 3 * config.n_embd + config.inner
        self.hidden = aligned(room * width * FLOAT).view(torch.float32).view(room, width).zero_()
        self._projected = aligned(room * whole * FLOAT).view(torch.float32).zero_()
        self._codes = aligned(room * (width + config.inner)).zero_()
        self._row_scales = torch.zeros(room)
        self._places_hidden = self.hidden.data_ptr() + np.arange(room, dtype=np.int64) * (width * FLOAT)
        self._places_projected = self._projected.data_ptr() + np.arange(room, dtype=np.int64) * (whole * FLOAT)
        self._set(
            CODES=self._codes.data_ptr(),
            ROW_SCALES=self._row_scales.data_ptr(),
            PLACES_HIDDEN=self._places_hidden.ctypes.data,
            PLACES_PROJECTED=self._places_projected.ctypes.data,
        )

    def _have_scratch(self, cache: ByteCache) -> None:
        """For each thread a row's norm, or a head's scores and their two bytes each."""
        threads = torch.get_num_threads()
        each = max(self._config.n_embd * FLOAT, cache.room * (FLOAT + 2) + 2 * self._config.head_dim + 2 * BLOCK)
        each = -(-each // CACHE_LINE) * CACHE_LINE
        if threads * each > self._threads:
            self._threads = threads * each
            self._scratch = aligned(self._threads)
        self._set(SCRATCH=self._scratch.data_ptr(), SCRATCH_BYTES=each)
