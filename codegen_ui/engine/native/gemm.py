"""8-bit matrix products: rows of activations against panels of weights, in whole numbers.

A panel is 32 output channels: for every 4 inputs 2 x 16 x 4 bytes, side by side, so that it is read from front to back
once for up to 8 rows. Activations are stored as 1..255 with 128 in the middle, as the instruction wants one side
unsigned; the channel's sum of weights times 128 is taken off again. Whole numbers have no rounding, so a row's product
is the same in any company. `pack` makes a weight's panels, with what the products need beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import types
from torch import Tensor

from codegen_ui.engine.native.addresses import take
from codegen_ui.engine.native.intrinsics import (
    F32,
    FLOATS,
    I32,
    I64,
    INTS,
    LANES,
    at,
    has_vnni,
    i64,
    kernel,
    operation,
    splat,
)
from codegen_ui.engine.native.rows import LEVELS, SMALLEST
from codegen_ui.engine.native.vectors import dot4_lanes

VECTORS = 2
CHANNELS = VECTORS * LANES
STEP_BYTES = CHANNELS * 4
CACHE_LINE = 64
CHANNELS_AT_ONCE = 4096
"""Rows of a weight that are quantised together, so that a large one needs no second copy in float32."""


def tile(rows: int) -> Any:
    """The product of `rows` rows and one panel, as an intrinsic.

    Of addresses: codes (uint8, `stride` bytes a row), panel, its channels' sums (int32), scales and biases (float32),
    the rows' scales (float32) and the addresses of their results (int64); then the byte in a row of results at which
    the panel's begin, the number of groups of 4 inputs, the stride, and whether to add to what is there.
    """

    @operation(types.void, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64)
    def multiply_tile(
        builder: Any,
        codes: Any,
        panel: Any,
        sums: Any,
        scales: Any,
        biases: Any,
        row_scales: Any,
        places: Any,
        column: Any,
        groups: Any,
        stride: Any,
        adds: Any,
    ) -> None:
        zero = ir.Constant(INTS, [0] * LANES)
        before = builder.basic_block
        loop = builder.append_basic_block("groups")
        after = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        index = builder.phi(I64)
        index.add_incoming(I64(0), before)
        running = [[builder.phi(INTS) for _ in range(VECTORS)] for _ in range(rows)]
        offset = builder.add(panel, builder.mul(index, I64(STEP_BYTES)))
        weights = [builder.load(at(builder, builder.add(offset, I64(64 * v)), INTS), align=4) for v in range(VECTORS)]
        results = []
        for row in range(rows):
            start = builder.add(codes, builder.mul(stride, I64(row)))
            four = builder.load(at(builder, builder.add(start, builder.mul(index, I64(4))), I32), align=4)
            activations = splat(builder, four)
            results.append([dot4_lanes(builder, running[row][v], activations, weights[v]) for v in range(VECTORS)])
        following = builder.add(index, I64(1))
        end = builder.basic_block
        index.add_incoming(following, end)
        for row in range(rows):
            for v in range(VECTORS):
                running[row][v].add_incoming(zero, before)
                running[row][v].add_incoming(results[row][v], end)
        builder.cbranch(builder.icmp_signed("<", following, groups), loop, after)
        builder.position_at_end(after)
        finish(builder, results, sums, scales, biases, row_scales, places, column, adds)

    return multiply_tile


def finish(
    builder: Any,
    results: Sequence[Sequence[Any]],
    sums: Any,
    scales: Any,
    biases: Any,
    row_scales: Any,
    places: Any,
    column: Any,
    adds: Any,
) -> None:
    """From whole numbers to floats, with scales and bias, to where the rows' results belong."""

    def part(address: Any, kind: Any, v: int) -> Any:
        return builder.load(at(builder, builder.add(address, I64(64 * v)), kind), align=4)

    added = builder.icmp_signed("!=", adds, I64(0))
    for row, sums_of_row in enumerate(results):
        place = builder.load(at(builder, builder.add(places, I64(8 * row)), I64), align=8)
        row_scale = splat(builder, builder.load(at(builder, builder.add(row_scales, I64(4 * row)), F32), align=4))
        for v, whole in enumerate(sums_of_row):
            exact = builder.sub(whole, builder.shl(part(sums, INTS, v), splat(builder, I32(7))))
            value = builder.fmul(builder.sitofp(exact, FLOATS), builder.fmul(row_scale, part(scales, FLOATS, v)))
            value = builder.fadd(value, part(biases, FLOATS, v))
            target = at(builder, builder.add(builder.add(place, column), I64(64 * v)), FLOATS)
            with builder.if_else(added) as (then, otherwise):
                with then:
                    builder.store(builder.fadd(builder.load(target, align=4), value), target, align=4)
                with otherwise:
                    builder.store(value, target, align=4)


tile_1, tile_2, tile_4, tile_8 = (tile(rows) for rows in (1, 2, 4, 8))


WIDE = has_vnni()
"""Whether there are registers for 8 rows of a panel's sums; otherwise 2 at a time."""
CHUNKS = 8
"""Pieces of the work for each thread: enough that one which is held up leaves some to the others."""


@kernel
def product(
    counter: int,
    threads: int,
    rows: int,
    codes: int,
    row_scales: int,
    places: int,
    panels: int,
    packed: int,
    sums: int,
    scales: int,
    biases: int,
    inputs: int,
    adds: int,
) -> None:
    """This thread's share of `rows` x all panels; whoever comes first takes the next few panels."""
    groups = inputs // 4
    chunk = max(1, panels // (CHUNKS * threads))
    first = take(counter, chunk)
    while first < panels:
        for panel in range(first, min(panels, first + chunk)):
            weights = packed + panel * groups * STEP_BYTES
            column = panel * CHANNELS * 4
            s, c, b = sums + column, scales + column, biases + column
            row = 0
            while row < rows:
                left, x, r, p = rows - row, codes + row * inputs, row_scales + 4 * row, places + 8 * row
                if WIDE and left > 4:
                    tile_8(x, weights, s, c, b, r, p, column, groups, inputs, adds)
                    row += 8
                elif WIDE and left > 2:
                    tile_4(x, weights, s, c, b, r, p, column, groups, inputs, adds)
                    row += 4
                elif left > 1:
                    tile_2(x, weights, s, c, b, r, p, column, groups, inputs, adds)
                    row += 2
                else:
                    tile_1(x, weights, s, c, b, r, p, column, groups, inputs, adds)
                    row += 1
        first = take(counter, chunk)


@dataclass(frozen=True)
class Packed:
    """A weight `[out, in]` and a bias `[out]`; `out` is rounded up to whole panels, with zeros.

    Attributes:
        panels: how many.
        weights: int8 `[panels, in / 4, 32, 4]`.
        sums, scales, biases: of each channel: the sum of its whole numbers, what a step of them is worth, its bias.
    """

    panels: int
    weights: Tensor
    sums: Tensor
    scales: Tensor
    biases: Tensor

    @property
    def bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (self.weights, self.sums, self.scales, self.biases))

    @property
    def addresses(self) -> list[int]:
        """As a table of weights has them."""
        return [tensor.data_ptr() for tensor in (self.weights, self.sums, self.scales, self.biases)]


def pack(weight: Tensor, bias: Tensor) -> Packed:
    """A weight on a CPU, of any floating dtype, with `in` a multiple of 4; 127 levels a side for each channel."""
    out, inputs = weight.shape
    panels = -(-out // CHANNELS)
    packed = aligned(panels * CHANNELS * inputs).view(panels, inputs // 4, CHANNELS, 4)
    sums = torch.zeros(panels * CHANNELS, dtype=torch.int32)
    scales, biases = torch.zeros(panels * CHANNELS), torch.zeros(panels * CHANNELS)
    biases[:out] = bias
    for start in range(0, panels * CHANNELS, CHANNELS_AT_ONCE):
        stop = min(start + CHANNELS_AT_ONCE, panels * CHANNELS)
        part = torch.zeros(stop - start, inputs)
        part[: max(0, out - start)] = weight[start:stop]
        scale = part.abs().amax(dim=1, keepdim=True).clamp_min_(SMALLEST).div_(LEVELS)
        whole = part.div_(scale).round_().clamp_(-LEVELS, LEVELS).to(torch.int8)
        scales[start:stop], sums[start:stop] = scale[:, 0], whole.sum(dim=1, dtype=torch.int32)
        blocks = whole.view(-1, CHANNELS, inputs // 4, 4).transpose(1, 2)
        packed[start // CHANNELS : stop // CHANNELS].copy_(blocks)
    return Packed(panels, packed, sums, scales, biases)


def aligned(size: int) -> Tensor:
    """So many bytes, int8, from the beginning of a cache line on; NumPy asks for large pages, PyTorch does not."""
    memory = np.empty(size + CACHE_LINE, dtype=np.int8)
    skip = -memory.ctypes.data % CACHE_LINE
    return torch.from_numpy(memory[skip : skip + size])
