"""Sixteen numbers at a time, for numba's kernels: loads and stores by address, and the arithmetic that they need.

Two types, `floats` (16 x float32) and `ints` (16 x int32, or 64 bytes for `dot4`), whatever the CPU has: LLVM makes one
AVX-512 instruction of an operation, or two of AVX2. All arithmetic is what IEEE says, nothing is reordered or fused
behind the kernels' back, and every sum over a vector has one fixed order. So results are the same bits on every CPU.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic, models, register_model

LANES = 16
F32, I8, I16, I32, I64 = ir.FloatType(), ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
FLOATS, INTS = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES)
PAIRS, BYTES = ir.VectorType(I16, 2 * LANES), ir.VectorType(I8, 4 * LANES)


class FloatsType(types.Type):  # type: ignore[misc]
    """16 x float32, as numba's types go."""

    def __init__(self) -> None:
        super().__init__(name="floats16")


class IntsType(types.Type):  # type: ignore[misc]
    """16 x int32, as numba's types go."""

    def __init__(self) -> None:
        super().__init__(name="ints16")


@register_model(FloatsType)
class FloatsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


@register_model(IntsType)
class IntsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, INTS)


floats, ints = FloatsType(), IntsType()
f32, i32, i64 = types.float32, types.int32, types.int64


Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """A function that compiled ones call; a quotient of 0 is what IEEE says, not an exception."""
    return cast(Function, njit(error_model="numpy")(function))


def cpu_features() -> set[str]:
    """What the CPU that numba compiles for can do, by LLVM's names: this one, unless NUMBA_CPU_NAME says otherwise."""
    if config.CPU_NAME:
        return {name.removeprefix("+") for name in (config.CPU_FEATURES or "").split(",") if name.startswith("+")}
    return {name for name, here in binding.get_host_cpu_features().items() if here}


def has_vnni() -> bool:
    """Whether it multiplies and adds 64 pairs of bytes in one instruction (AVX-512 VNNI)."""
    return {"avx512vnni", "avx512bw", "avx512vl"} <= cpu_features()


def operation(result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Any]:
    """An intrinsic from a function of (builder, *LLVM values); scalars are converted to the types given here."""

    def make(build: Callable[..., Any]) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            made = build(builder, *values)
            return context.get_dummy_value() if made is None else made

        def typing(typing_context: Any, *given: Any) -> Any:
            return result(*arguments), generate

        names = ["typing_context", *(f"a{index}" for index in range(len(arguments)))]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        typing.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
        typing.__name__, typing.__doc__ = build.__name__, build.__doc__
        return intrinsic(typing)

    return make


def at(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """An LLVM intrinsic by its full name."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def splat(builder: Any, value: Any) -> Any:
    kind = ir.VectorType(value.type, LANES)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, I32(0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(INTS, [0] * LANES))


@operation(floats, i64)
def load(builder: Any, address: Any) -> Any:
    """16 floats."""
    return builder.load(at(builder, address, FLOATS), align=4)


@operation(types.void, i64, floats)
def store(builder: Any, address: Any, value: Any) -> None:
    builder.store(value, at(builder, address, FLOATS), align=4)


@operation(ints, i64)
def load_ints(builder: Any, address: Any) -> Any:
    """16 int32, or 64 bytes."""
    return builder.load(at(builder, address, INTS), align=4)


@operation(types.void, i64, ints)
def store_bytes(builder: Any, address: Any, value: Any) -> None:
    """The low byte of each of 16 numbers, side by side."""
    small = ir.VectorType(I8, LANES)
    builder.store(builder.trunc(value, small), at(builder, address, small), align=1)


@operation(floats, i64)
def load_bfloats(builder: Any, address: Any) -> Any:
    """16 bfloat16, as floats."""
    small = ir.VectorType(I16, LANES)
    wide = builder.zext(builder.load(at(builder, address, small), align=2), INTS)
    return builder.bitcast(builder.shl(wide, splat(builder, I32(16))), FLOATS)


@operation(types.void, i64, f32)
def store_bfloat(builder: Any, address: Any, value: Any) -> None:
    """A float that is a bfloat16 already, such as `bfloat_above` gives."""
    high = builder.lshr(builder.bitcast(value, I32), I32(16))
    builder.store(builder.trunc(high, I16), at(builder, address, I16), align=2)


@operation(f32, f32)
def bfloat_above(builder: Any, value: Any) -> Any:
    """The least bfloat16 that is no smaller; for numbers from 0 on. What is not finite stays so."""
    raised = builder.add(builder.bitcast(value, I32), I32(0xFFFF))
    return builder.bitcast(builder.and_(raised, I32(-0x10000)), F32)


@operation(ints, i64)
def repeat(builder: Any, address: Any) -> Any:
    """One int32, or 4 bytes, 16 times."""
    return splat(builder, builder.load(at(builder, address, I32), align=4))


@operation(f32, i64)
def load_float(builder: Any, address: Any) -> Any:
    return builder.load(at(builder, address, F32), align=4)


@operation(types.void, i64, f32)
def store_float(builder: Any, address: Any, value: Any) -> None:
    builder.store(value, at(builder, address, F32), align=4)


@operation(i64, i64)
def load_long(builder: Any, address: Any) -> Any:
    return builder.load(at(builder, address, I64), align=8)


@operation(i64, i64, i64)
def take(builder: Any, counter: Any, count: Any) -> Any:
    """Add to a counter that several threads share; its value before."""
    return builder.atomic_rmw("add", at(builder, counter, I64), count, "monotonic")


@operation(i32, i64)
def load_int(builder: Any, address: Any) -> Any:
    return builder.load(at(builder, address, I32), align=4)


@operation(types.void, i64, i32)
def store_int(builder: Any, address: Any, value: Any) -> None:
    builder.store(value, at(builder, address, I32), align=4)


@operation(types.void, i64, i32)
def store_byte(builder: Any, address: Any, value: Any) -> None:
    builder.store(builder.trunc(value, I8), at(builder, address, I8), align=1)


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


@operation(ints, ints, ints, ints)
def dot4_anywhere(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    """`dot4` without special instructions."""
    return dot4_exact(builder, sums, unsigned, signed)


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
