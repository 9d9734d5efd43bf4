"""Arithmetic on sixteen numbers at a time, for numba's kernels.

All of it is what IEEE says, nothing is reordered or fused behind the kernels' back, and every sum over a vector has one
fixed order. So results are the same bits on every CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from codegen_ui.engine.native.intrinsics import (
    BYTES,
    FLOATS,
    I32,
    INTS,
    LANES,
    PAIRS,
    call,
    f32,
    floats,
    has_vnni,
    i32,
    ints,
    kernel,
    operation,
    splat,
)


@operation(floats, f32)
def all_of(builder: Any, value: Any) -> Any:
    return splat(builder, value)


@operation(ints, i32)
def all_ints(builder: Any, value: Any) -> Any:
    return splat(builder, value)


@operation(floats, floats, floats)
def add(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b)


@operation(floats, floats, floats)
def subtract(builder: Any, a: Any, b: Any) -> Any:
    return builder.fsub(a, b)


@operation(floats, floats, floats)
def multiply(builder: Any, a: Any, b: Any) -> Any:
    return builder.fmul(a, b)


@operation(floats, floats, floats)
def divide(builder: Any, a: Any, b: Any) -> Any:
    return builder.fdiv(a, b)


@operation(floats, floats, floats, floats)
def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""
    return call(builder, "llvm.fma.v16f32", FLOATS, a, b, c)


@operation(floats, floats, floats)
def larger(builder: Any, a: Any, b: Any) -> Any:
    """Lane by lane; no number where a or b is none."""
    return call(builder, "llvm.maximum.v16f32", FLOATS, a, b)


@operation(floats, floats)
def magnitude(builder: Any, a: Any) -> Any:
    return call(builder, "llvm.fabs.v16f32", FLOATS, a)


@operation(ints, floats)
def nearest(builder: Any, a: Any) -> Any:
    """Rounded to whole numbers, halves to even ones; what is none or does not fit becomes some number."""
    whole = call(builder, "llvm.rint.v16f32", FLOATS, a)
    return call(builder, "llvm.fptosi.sat.v16i32.v16f32", INTS, whole)


@operation(floats, ints)
def to_floats(builder: Any, a: Any) -> Any:
    return builder.sitofp(a, FLOATS)


@operation(ints, ints, ints)
def add_ints(builder: Any, a: Any, b: Any) -> Any:
    return builder.add(a, b)


@operation(ints, ints, i32)
def shift_right(builder: Any, a: Any, bits: Any) -> Any:
    return builder.ashr(a, splat(builder, bits))


@operation(ints, ints, i32)
def shift_left(builder: Any, a: Any, bits: Any) -> Any:
    return builder.shl(a, splat(builder, bits))


@operation(floats, floats, ints)
def times_power(builder: Any, a: Any, exponents: Any) -> Any:
    """a * 2 ** exponents, where that is neither too large nor too small for its exponent's bits."""
    raised = builder.add(builder.bitcast(a, INTS), builder.shl(exponents, splat(builder, I32(23))))
    return builder.bitcast(raised, FLOATS)


@operation(floats, floats, i32, f32)
def first_lanes(builder: Any, a: Any, count: Any, other: Any) -> Any:
    """The first `count` lanes of a; `other` in the rest."""
    lanes = ir.Constant(INTS, list(range(LANES)))
    return builder.select(builder.icmp_signed("<", lanes, splat(builder, count)), a, splat(builder, other))


def folded(builder: Any, a: Any, join: Callable[[Any, Any], Any]) -> Any:
    """One number from 16: halves joined, then quarters, ..."""
    nothing = ir.Constant(FLOATS, ir.Undefined)
    for width in (8, 4, 2, 1):
        lanes = [(i + width) % LANES for i in range(LANES)]
        a = join(a, builder.shuffle_vector(a, nothing, ir.Constant(INTS, lanes)))
    return builder.extract_element(a, I32(0))


@operation(f32, floats)
def total(builder: Any, a: Any) -> Any:
    """The sum of 16 floats."""
    return folded(builder, a, builder.fadd)


@operation(f32, floats)
def largest(builder: Any, a: Any) -> Any:
    """The largest of 16 floats; no number where one of them is none."""
    return folded(builder, a, lambda a, b: call(builder, "llvm.maximum.v16f32", FLOATS, a, b))


@operation(i32, ints)
def total_ints(builder: Any, a: Any) -> Any:
    nothing = ir.Constant(INTS, ir.Undefined)
    for width in (8, 4, 2, 1):
        lanes = [(i + width) % LANES for i in range(LANES)]
        a = builder.add(a, builder.shuffle_vector(a, nothing, ir.Constant(INTS, lanes)))
    return builder.extract_element(a, I32(0))


def dot4_exact(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    """`dot4` from multiplications of 16 bits, which cannot overflow; for any CPU."""
    low = ir.Constant(PAIRS, [0xFF] * (2 * LANES))
    eight = ir.Constant(PAIRS, [8] * (2 * LANES))
    u, s = builder.bitcast(unsigned, PAIRS), builder.bitcast(signed, PAIRS)
    halves = (
        (builder.and_(u, low), builder.ashr(builder.shl(s, eight), eight)),
        (builder.lshr(u, eight), builder.ashr(s, eight)),
    )
    nothing = ir.Constant(ir.VectorType(I32, 2 * LANES), ir.Undefined)
    for a, b in halves:
        wide = ir.VectorType(I32, 2 * LANES)
        product = builder.mul(builder.sext(a, wide), builder.sext(b, wide))
        even, odd = (
            builder.shuffle_vector(product, nothing, ir.Constant(INTS, list(range(start, 2 * LANES, 2))))
            for start in (0, 1)
        )
        sums = builder.add(sums, builder.add(even, odd))
    return sums


def dot4_vnni(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    """`dot4` as AVX-512 VNNI has it."""
    name = "llvm.x86.avx512.vpdpbusd.512"
    return call(builder, name, INTS, sums, builder.bitcast(unsigned, BYTES), builder.bitcast(signed, BYTES))


def dot4_lanes(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    return (dot4_vnni if has_vnni() else dot4_exact)(builder, sums, unsigned, signed)


@operation(ints, ints, ints, ints)
def dot4(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    """sums + the products of 4 neighbouring bytes each, one side 0..255, the other -128..127: exact."""
    return dot4_lanes(builder, sums, unsigned, signed)


@kernel
def exponential(x: Any) -> Any:
    """e ** x for x up to 88; 0 below -87. Cephes' polynomial: within 2 units of the last place."""
    low = larger(all_of(f32(-87.0)), x)
    n = nearest(multiply(low, all_of(f32(1.44269504))))
    whole = to_floats(n)
    r = multiply_add(whole, all_of(f32(-0.693359375)), low)
    r = multiply_add(whole, all_of(f32(2.12194440e-4)), r)
    y = all_of(f32(1.9875691500e-4))
    y = multiply_add(y, r, all_of(f32(1.3981999507e-3)))
    y = multiply_add(y, r, all_of(f32(8.3334519073e-3)))
    y = multiply_add(y, r, all_of(f32(4.1665795894e-2)))
    y = multiply_add(y, r, all_of(f32(1.6666665459e-1)))
    y = multiply_add(y, r, all_of(f32(5.0000001201e-1)))
    y = add(multiply_add(multiply(y, r), r, r), all_of(f32(1.0)))
    return times_power(y, n)
