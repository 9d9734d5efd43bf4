"""A whole step of the decoder in one parallel region: each thread runs `step`, and waits for the others between parts.

Everything is passed by address in the tables of `workspace`. The hidden state is `[rows, width]`, the buffer
`projected` `[rows, 3 * width + inner]` has each row's values, keys, queries and hidden units, all float32.
"""

from __future__ import annotations

from codegen_ui.engine.native.addresses import load_float, load_long, store_byte, take
from codegen_ui.engine.native.attend import BFLOAT, FOUR, attend, rotate, write_key, write_value
from codegen_ui.engine.native.gemm import CHANNELS, product
from codegen_ui.engine.native.intrinsics import LANES, i32, i64, kernel
from codegen_ui.engine.native.rows import FLOAT, gelu, normalise, quantise
from codegen_ui.engine.native.team import barrier, thread_count, thread_number
from codegen_ui.engine.native.workspace import FIELDS, LONG, PARTS, Argument, Weight

PAGE = 4096
UNITS_AT_ONCE = 512


@kernel
def get(table: int, place: int) -> int:
    """A number of a table of int64."""
    number: int = load_long(table + LONG * place)
    return number


@kernel
def norm_rows(counter: int, rows: int, places: int, weights: int, a: int, scratch: int) -> None:
    """Norm the rows whose addresses are given and make them the next product's 8-bit input."""
    width = get(a, Argument.WIDTH)
    codes, scales = get(a, Argument.CODES), get(a, Argument.ROW_SCALES)
    epsilon = load_float(get(a, Argument.EPSILON))
    weight = get(weights, Weight.NORM_WEIGHT)
    bias = get(weights, Weight.NORM_BIAS)
    row = take(counter, 1)
    while row < rows:
        normalise(load_long(places + LONG * row), width, weight, bias, epsilon, scratch)
        quantise(scratch, width, codes + row * width, scales + row * FLOAT)
        row = take(counter, 1)


@kernel
def place_keys(counter: int, layer: int, a: int, scratch: int) -> None:
    """Turn queries and keys by their positions; keys and values to the cache.

    Memory that was never written costs a moment at the first touch. All heads of all layers come to their next page at
    the same position, so each touches it at another one before that, and no step pays for all.
    """
    rows, heads = get(a, Argument.ROWS), get(a, Argument.HEADS)
    width, length = get(a, Argument.WIDTH), get(a, Argument.LENGTH)
    dim, pairs = width // heads, get(a, Argument.ROTARY_PAIRS)
    codes_of, scales_of = get(a, Argument.CACHE_CODES), get(a, Argument.CACHE_SCALES)
    task = take(counter, 1)
    while task < rows * heads:
        row, head = task // heads, task % heads
        x = load_long(get(a, Argument.PLACES_PROJECTED) + LONG * row) + head * dim * FLOAT
        position = load_long(get(a, Argument.POSITIONS) + LONG * row)
        turns = get(a, Argument.TURNS) + position * pairs * 2 * FLOAT
        codes = load_long(codes_of + LONG * row) + layer * get(a, Argument.LAYER_CODES)
        scales = load_long(scales_of + LONG * row) + layer * get(a, Argument.LAYER_SCALES)
        codes, scales = codes + head * dim * length, scales + head * length * BFLOAT
        rotate(x + width * FLOAT, pairs, turns)
        rotate(x + 2 * width * FLOAT, pairs, turns)
        write_value(x, dim, codes, scales, position, scratch)
        keys, key_scales = codes + heads * dim * length, scales + heads * length * BFLOAT
        write_key(x + width * FLOAT, dim, keys, key_scales, position, scratch)
        later = position + PAGE // dim
        if later < length and later % (PAGE // dim) == (layer * heads + head) % (PAGE // dim):
            beyond = row + PAGE // dim
            # A position of the same prompt is written in this very step, perhaps before this.
            if beyond >= rows or load_long(codes_of + LONG * beyond) != load_long(codes_of + LONG * row):
                store_byte(codes + later // FOUR * FOUR * dim + later % FOUR, i32(0))
                store_byte(keys + later // LANES * LANES * dim + later % LANES * FOUR, i32(0))
        task = take(counter, 1)


@kernel
def mix(counter: int, layer: int, a: int, scratch: int) -> None:
    """Attention in the queries' place, GELU in the hidden units'."""
    rows, heads = get(a, Argument.ROWS), get(a, Argument.HEADS)
    width, length = get(a, Argument.WIDTH), get(a, Argument.LENGTH)
    inner, dim = get(a, Argument.INNER), width // heads
    codes_of, scales_of = get(a, Argument.CACHE_CODES), get(a, Argument.CACHE_SCALES)
    high = scratch + length * FLOAT
    low = high + length + dim
    attentions = rows * heads
    pieces = (inner + UNITS_AT_ONCE - 1) // UNITS_AT_ONCE
    task = take(counter, 1)
    while task < attentions + rows * pieces:
        if task < attentions:
            row, head = task // heads, task % heads
            x = load_long(get(a, Argument.PLACES_PROJECTED) + LONG * row) + head * dim * FLOAT
            count = load_long(get(a, Argument.POSITIONS) + LONG * row) + 1
            codes = load_long(codes_of + LONG * row) + layer * get(a, Argument.LAYER_CODES)
            scales = load_long(scales_of + LONG * row) + layer * get(a, Argument.LAYER_SCALES)
            codes, scales = codes + head * dim * length, scales + head * length * BFLOAT
            keys, key_scales = codes + heads * dim * length, scales + heads * length * BFLOAT
            query = x + 2 * width * FLOAT
            attend(query, dim, keys, codes, key_scales, scales, count, scratch, high, low, query)
        else:
            row, piece = (task - attentions) // pieces, (task - attentions) % pieces
            units = load_long(get(a, Argument.PLACES_PROJECTED) + LONG * row) + 3 * width * FLOAT
            start = piece * UNITS_AT_ONCE
            gelu(units + start * FLOAT, min(UNITS_AT_ONCE, inner - start))
        task = take(counter, 1)


@kernel
def quantise_rows(counter: int, rows: int, places: int, a: int) -> None:
    """Attention's results and hidden units of the rows whose addresses are given, as the output product's input."""
    width, inner = get(a, Argument.WIDTH), get(a, Argument.INNER)
    codes, scales = get(a, Argument.CODES), get(a, Argument.ROW_SCALES)
    count = width + inner
    row = take(counter, 1)
    while row < rows:
        quantise(load_long(places + LONG * row) + 2 * width * FLOAT, count, codes + row * count, scales + row * FLOAT)
        row = take(counter, 1)


@kernel
def multiply_in(
    counter: int, threads: int, rows: int, places: int, panels: int, weights: int, inputs: int, a: int
) -> None:
    product(
        counter,
        threads,
        rows,
        get(a, Argument.CODES),
        get(a, Argument.ROW_SCALES),
        places,
        panels,
        get(weights, Weight.IN_PACKED),
        get(weights, Weight.IN_SUMS),
        get(weights, Weight.IN_SCALES),
        get(weights, Weight.IN_BIASES),
        inputs,
        0,
    )


@kernel
def multiply_out(counter: int, threads: int, rows: int, places: int, weights: int, a: int) -> None:
    width = get(a, Argument.WIDTH)
    product(
        counter,
        threads,
        rows,
        get(a, Argument.CODES),
        get(a, Argument.ROW_SCALES),
        places,
        width // CHANNELS,
        get(weights, Weight.OUT_PACKED),
        get(weights, Weight.OUT_SUMS),
        get(weights, Weight.OUT_SCALES),
        get(weights, Weight.OUT_BIASES),
        width + get(a, Argument.INNER),
        1,
    )


@kernel
def run_layer(layer: int, a: int, threads: int, scratch: int) -> None:
    """One parallel block; the last one's output product is only for the rows whose logits are wanted."""
    weights = get(a, Argument.WEIGHTS) + layer * LONG * FIELDS
    counters = get(a, Argument.COUNTERS) + layer * LONG * PARTS
    rows, width = get(a, Argument.ROWS), get(a, Argument.WIDTH)
    hidden, projected = get(a, Argument.PLACES_HIDDEN), get(a, Argument.PLACES_PROJECTED)
    norm_rows(counters, rows, hidden, weights, a, scratch)
    barrier()
    panels = (3 * width + get(a, Argument.INNER)) // CHANNELS
    multiply_in(counters + LONG, threads, rows, projected, panels, weights, width, a)
    barrier()
    place_keys(counters + 2 * LONG, layer, a, scratch)
    barrier()
    if layer == get(a, Argument.LAYERS) - 1:
        rows = get(a, Argument.WANTED)
        hidden, projected = get(a, Argument.WANTED_HIDDEN), get(a, Argument.WANTED_PROJECTED)
        if not rows:
            return
    mix(counters + 3 * LONG, layer, a, scratch)
    barrier()
    quantise_rows(counters + 4 * LONG, rows, projected, a)
    barrier()
    multiply_out(counters + 5 * LONG, threads, rows, hidden, weights, a)
    barrier()


def step(a: int) -> None:
    """The function that each thread runs; `a` is the address of the arguments."""
    threads = i64(thread_count())
    scratch = get(a, Argument.SCRATCH) + thread_number() * get(a, Argument.SCRATCH_BYTES)
    layers, wanted = get(a, Argument.LAYERS), get(a, Argument.WANTED)
    for layer in range(layers):
        run_layer(layer, a, threads, scratch)
    if wanted:
        counters = get(a, Argument.COUNTERS) + layers * LONG * PARTS
        last = get(a, Argument.LAST)
        norm_rows(counters, wanted, get(a, Argument.WANTED_HIDDEN), last, a, scratch)
        barrier()
        panels = get(a, Argument.HEAD_PANELS)
        places, width = get(a, Argument.PLACES_LOGITS), get(a, Argument.WIDTH)
        multiply_in(counters + LONG, threads, wanted, places, panels, last, width, a)
