"""What happens to one row at a time between the products: norms, GELU, and numbers made 8-bit."""

from __future__ import annotations

from codegen_ui.engine.native.addresses import load, store, store_bytes, store_float
from codegen_ui.engine.native.intrinsics import LANES, f32, i32, kernel
from codegen_ui.engine.native.vectors import (
    add,
    add_ints,
    all_ints,
    all_of,
    divide,
    exponential,
    larger,
    largest,
    magnitude,
    multiply,
    multiply_add,
    nearest,
    subtract,
    total,
)

LEVELS = 127
MIDDLE = 128
SMALLEST = 1e-30
FLOAT = 4
GELU_LINEAR = 1.5957691216057308
GELU_CUBIC = 0.044715 * GELU_LINEAR
"""GELU's tanh approximation is x * sigmoid(x * (linear + cubic * x ** 2)); the first is 2 * sqrt(2 / pi)."""


@kernel
def quantise(x: int, count: int, codes: int, scale: int) -> None:
    """`count` floats, a multiple of 16, as bytes 1..255 around 128, with what a step of them is worth."""
    most = all_of(f32(0.0))
    for i in range(0, count, LANES):
        most = larger(magnitude(load(x + i * FLOAT)), most)
    top = largest(most)
    if top < f32(SMALLEST):
        top = f32(SMALLEST)
    store_float(scale, top / f32(LEVELS))
    factor, middle = all_of(f32(LEVELS) / top), all_ints(i32(MIDDLE))
    for i in range(0, count, LANES):
        store_bytes(codes + i, add_ints(nearest(multiply(load(x + i * FLOAT), factor)), middle))


@kernel
def normalise(x: int, count: int, weight: int, bias: int, epsilon: float, out: int) -> None:
    """LayerNorm of `count` floats, a multiple of 16."""
    sums = all_of(f32(0.0))
    for i in range(0, count, LANES):
        sums = add(sums, load(x + i * FLOAT))
    mean = all_of(total(sums) / f32(count))
    squares = all_of(f32(0.0))
    for i in range(0, count, LANES):
        away = subtract(load(x + i * FLOAT), mean)
        squares = multiply_add(away, away, squares)
    variance = total(squares) / f32(count)
    factor = all_of(f32(1.0) / f32((variance + f32(epsilon)) ** f32(0.5)))
    for i in range(0, count, LANES):
        away = multiply(subtract(load(x + i * FLOAT), mean), factor)
        store(out + i * FLOAT, multiply_add(away, load(weight + i * FLOAT), load(bias + i * FLOAT)))


@kernel
def gelu(x: int, count: int) -> None:
    """In place, of `count` floats, a multiple of 16."""
    linear, cubic = all_of(f32(GELU_LINEAR)), all_of(f32(GELU_CUBIC))
    one, zero, least = all_of(f32(1.0)), all_of(f32(0.0)), all_of(f32(-80.0))
    for i in range(0, count, LANES):
        v = load(x + i * FLOAT)
        w = multiply(v, multiply_add(cubic, multiply(v, v), linear))
        # Beyond e ** 80 the quotient is 0 all the same.
        store(x + i * FLOAT, divide(v, add(one, exponential(subtract(zero, larger(least, w))))))
