"""Loads and stores by address, for numba's kernels; sixteen numbers at a time, or one."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from codegen_ui.engine.native.intrinsics import (
    F32,
    FLOATS,
    I8,
    I16,
    I32,
    I64,
    INTS,
    LANES,
    at,
    f32,
    floats,
    i32,
    i64,
    ints,
    operation,
    splat,
)


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
