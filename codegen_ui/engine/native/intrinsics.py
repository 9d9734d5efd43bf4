"""How numba's kernels get operations on sixteen numbers at a time: types, and functions made of LLVM's own.

Two types, `floats` (16 x float32) and `ints` (16 x int32, or 64 bytes for `dot4`), whatever the CPU has: LLVM makes one
AVX-512 instruction of an operation, or two of AVX2.
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
