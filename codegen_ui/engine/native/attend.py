"""Attention over 8-bit keys and values: one head of one row at a time.

Keys and values of a slot, layer and head, `length` positions of `dim` bytes (multiples of 16), lie so that one
instruction takes 4 bytes of each of 16 positions (keys) or dimensions (values):

- keys: `[length / 16, dim / 4, 16 positions, 4 dimensions]`, bytes 1..255 around 128;
- values: `[length / 4, dim, 4 positions]`, bytes -127..127;
- scales: one bfloat16 for each position, of the keys and of the values.

Queries and weights (softmax's, times the values' scale) are whole numbers of 15 and 16 bits, in two bytes each, so that
what is lost is what the cache's 8 bits lose. A result depends on the query, on the positions up to its own and on
nothing else: who is served beside it, in which order and by which thread changes no bit of it.
"""

from __future__ import annotations

from codegen_ui.engine.native.addresses import (
    bfloat_above,
    load,
    load_bfloats,
    load_float,
    load_int,
    load_ints,
    repeat,
    store,
    store_bfloat,
    store_byte,
    store_bytes,
    store_float,
    store_int,
)
from codegen_ui.engine.native.intrinsics import LANES, f32, i32, kernel
from codegen_ui.engine.native.rows import FLOAT, LEVELS, MIDDLE, SMALLEST
from codegen_ui.engine.native.vectors import (
    add,
    add_ints,
    all_ints,
    all_of,
    dot4,
    exponential,
    first_lanes,
    larger,
    largest,
    magnitude,
    multiply,
    nearest,
    shift_left,
    shift_right,
    subtract,
    to_floats,
    total,
    total_ints,
)

BFLOAT = 2
QUERY_LEVELS = 127 * 128
WEIGHT_LEVELS = 65535
FOUR = 4


@kernel
def rotate(x: int, pairs: int, turns: int) -> None:
    """Turn the first `pairs` pairs of floats by the angles whose cosine and sine lie in `turns`, in place."""
    for i in range(pairs):
        first, second = load_float(x + i * 8), load_float(x + i * 8 + FLOAT)
        cos, sin = load_float(turns + i * 8), load_float(turns + i * 8 + FLOAT)
        store_float(x + i * 8, first * cos - second * sin)
        store_float(x + i * 8 + FLOAT, second * cos + first * sin)


@kernel
def coded(x: int, dim: int, scales: int, position: int, codes: int) -> None:
    """Quantise a key or value, -127..127 for each of `dim` numbers, into `codes`, its scale into `scales`."""
    most = all_of(f32(SMALLEST))
    for i in range(0, dim, LANES):
        most = larger(magnitude(load(x + i * FLOAT)), most)
    step = bfloat_above(largest(most) / f32(LEVELS))
    store_bfloat(scales + position * BFLOAT, step)
    factor = all_of(f32(1.0) / step)
    for i in range(0, dim, LANES):
        store_bytes(codes + i, nearest(multiply(load(x + i * FLOAT), factor)))


@kernel
def write_key(x: int, dim: int, keys: int, scales: int, position: int, codes: int) -> None:
    """Put a key of `dim` floats at a position; `codes` are `dim` bytes to work in."""
    coded(x, dim, scales, position, codes)
    place = keys + position // LANES * (dim * LANES) + position % LANES * FOUR
    for i in range(dim // FOUR):
        # From -127..127 to 1..255: the top bit of each byte the other way round.
        store_int(place + i * LANES * FOUR, load_int(codes + i * FOUR) ^ i32(-0x7F7F7F80))


@kernel
def write_value(x: int, dim: int, values: int, scales: int, position: int, codes: int) -> None:
    """Put a value of `dim` floats at a position; `codes` are `dim` bytes to work in."""
    coded(x, dim, scales, position, codes)
    place = values + position // FOUR * (dim * FOUR) + position % FOUR
    for i in range(0, dim, FOUR):
        four = load_int(codes + i)
        for j in range(FOUR):
            store_byte(place + (i + j) * FOUR, four >> i32(8 * j))


@kernel
def split_query(query: int, dim: int, high: int, low: int) -> tuple[float, int]:
    """A query as 128 * high + low, bytes; returns what a step is worth, and the sum of the whole numbers."""
    most = all_of(f32(SMALLEST))
    for i in range(0, dim, LANES):
        most = larger(magnitude(load(query + i * FLOAT)), most)
    top = largest(most)
    factor, sums = all_of(f32(QUERY_LEVELS) / top), all_ints(i32(0))
    for i in range(0, dim, LANES):
        whole = nearest(multiply(load(query + i * FLOAT), factor))
        upper = shift_right(add_ints(whole, all_ints(i32(64))), i32(7))
        sums = add_ints(sums, whole)
        store_bytes(high + i, upper)
        # whole - 128 * upper fits the low byte whatever is above it.
        store_bytes(low + i, add_ints(whole, shift_left(upper, i32(7))))
    return top / f32(QUERY_LEVELS), total_ints(sums)


@kernel
def attend(
    query: int,
    dim: int,
    keys: int,
    values: int,
    key_scales: int,
    value_scales: int,
    count: int,
    scores: int,
    high: int,
    low: int,
    out: int,
) -> None:
    """One head's attention over its first `count` positions, to `out`, `dim` floats, which may be the query's place.

    `scores` has room for `count` floats, `high` and `low` for as many bytes and for `dim`, rounded up to 16.
    """
    step, whole = split_query(query, dim, high, low)
    scale = all_of(step / f32(dim) ** f32(0.5))
    offset = all_ints(i32(-MIDDLE) * i32(whole))
    most = all_of(f32(-3e38))
    for start in range(0, count, LANES):
        upper = lower = all_ints(i32(0))
        block = keys + start * dim
        for i in range(dim // FOUR):
            key = load_ints(block + i * LANES * FOUR)
            upper = dot4(upper, key, repeat(high + i * FOUR))
            lower = dot4(lower, key, repeat(low + i * FOUR))
        product = add_ints(add_ints(shift_left(upper, i32(7)), lower), offset)
        score = multiply(multiply(to_floats(product), scale), load_bfloats(key_scales + start * BFLOAT))
        score = first_lanes(score, i32(count - start), f32(-3e38))
        store(scores + start * FLOAT, score)
        most = larger(score, most)
    top = all_of(largest(most))
    sums = most = all_of(f32(0.0))
    for start in range(0, count, LANES):
        weight = exponential(subtract(load(scores + start * FLOAT), top))
        weight = first_lanes(weight, i32(count - start), f32(0.0))
        sums = add(sums, weight)
        weight = multiply(weight, load_bfloats(value_scales + start * BFLOAT))
        weight = first_lanes(weight, i32(count - start), f32(0.0))
        store(scores + start * FLOAT, weight)
        most = larger(weight, most)
    heaviest = largest(most)
    factor = all_of(f32(WEIGHT_LEVELS) / heaviest)
    for start in range(0, count, LANES):
        weight = nearest(multiply(load(scores + start * FLOAT), factor))
        store_bytes(high + start, shift_right(weight, i32(8)))
        store_bytes(low + start, weight)
    share = all_of(heaviest / f32(WEIGHT_LEVELS) / total(sums))
    for i in range(0, dim, LANES):
        upper = lower = all_ints(i32(0))
        block = values + i * FOUR
        for start in range(0, count, FOUR):
            value = load_ints(block + start * dim)
            upper = dot4(upper, repeat(high + start), value)
            lower = dot4(lower, repeat(low + start), value)
        result = add(multiply(to_floats(upper), all_of(f32(256.0))), to_floats(lower))
        store(out + i * FLOAT, multiply(result, share))
