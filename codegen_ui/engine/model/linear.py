"""Linear layers of the decoder behind one interface: `y = linear(x)` for rows `x`; and the activation between two.

- `DenseLinear`: weights as they are, any device and dtype.
- `PackedLinear`: fp32 on a CPU, weights reordered once for oneDNN. Against PyTorch's default (MKL) it is faster at
  every number of rows that decoding meets, most of all from 2 to 16.
- `Int8Linear`: 8-bit weights on an x86 CPU.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

WEIGHT_LEVELS = 127
WEIGHT_PAIR_LEVELS = 167
ACTIVATION_LEVELS = 97
ACTIVATION_ZERO = 98
"""Without VNNI the CPU adds the products of two neighbouring inputs in 16 bits, which 8-bit activations (0..255)
times 8-bit weights can exceed. Activations of 1..195 (zero at 98) times weights of which no two neighbours exceed 168
together (167 and a rounding) stay within 195 * 168 = 32760 < 32768: the sums are exact, everywhere alike. Rows of
weights seldom come near that bound, so it costs them little, and activations have 1.5 times the levels of 7 bits."""
SMALLEST_SCALE = 1e-30
ROWS_AT_ONCE = 4096
"""Rows of a weight whose scales are computed together, so that a large weight needs no second copy for it."""
PACKED_ROWS = 8
"""Number of rows for which oneDNN lays out fp32 weights; the layout serves any other number too."""
GELU_LINEAR = 2 * math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715 * GELU_LINEAR
_GELU_LINEAR = torch.tensor(GELU_LINEAR)  # made once: every layer of every step adds it


class Linear(Protocol):
    """A weight `[out, in]` and a bias `[out]`, ready to multiply; `bytes` is what they take at rest."""

    bytes: int

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """`x` `[rows, in]` -> `[rows, out]` of the same dtype: `out`, where it is given, or a new tensor."""
        ...


class DenseLinear:
    """Weights as they are, in fp32, bf16 or fp16, on any device."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight = weight
        self._bias = bias
        self.bytes = _bytes(weight) + _bytes(bias)

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        if out is None:
            return functional.linear(x, self._weight, self._bias)
        return torch.addmm(self._bias, x, self._weight.t(), out=out)


class PackedLinear:
    """fp32 weights in oneDNN's own layout, as PyTorch's compiler would place them."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, PACKED_ROWS)
        self._bias = bias
        self._multiply = torch.ops.mkldnn._linear_pointwise.default
        self.bytes = _bytes(weight) + _bytes(bias)

    @staticmethod
    def supports(weight: Tensor) -> bool:
        onednn = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # which not every build of PyTorch has
        return onednn and weight.device.type == "cpu" and weight.dtype == torch.float32

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        result: Tensor = self._multiply(x, self._weight, self._bias, "none", [], "")
        return result if out is None else out.copy_(result)


class Int8Linear:
    """8-bit weights with a scale per output channel, activations of 195 levels with a scale per row, both symmetric.

    Each row is divided by its largest magnitude before one matmul with a fixed activation scale, and its result
    multiplied back. So a row's result does not depend on the rows beside it, bit for bit: integer sums are exact, and
    the rest is done row by row. (`torch.ops.quantized.linear_dynamic` has one scale for all rows.)
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """`weight`, `bias`: on a CPU, any floating dtype; the weight is not kept."""
        weight = weight.float()
        scale = torch.cat([_channel_scales(part) for part in torch.split(weight, ROWS_AT_ONCE)])
        zeros = torch.zeros(weight.shape[0], dtype=torch.int64)
        with _fbgemm():
            quantized = torch.quantize_per_channel(weight, scale.double(), zeros, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(quantized, None)
        # The overload itself: to look it up at every call takes longer than many of a step's operators.
        self._multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
        self._bias = bias.float()
        # Beside weights and bias: scale, zero point and column sum of each channel, 4 bytes each.
        self.bytes = weight.numel() + 12 * weight.shape[0] + _bytes(self._bias)

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        rows = x.float()
        # Not `vector_norm`, whose infinity norm is eight times slower.
        scale = rows.abs().amax(dim=1, keepdim=True).clamp_min_(SMALLEST_SCALE)
        result = self._multiply(rows / scale, 1 / ACTIVATION_LEVELS, ACTIVATION_ZERO, self._packed)
        if x.dtype == torch.float32:
            return torch.addcmul(self._bias, result, scale, out=out)
        result = torch.addcmul(self._bias, result, scale).to(x.dtype)
        return result if out is None else out.copy_(result)


def int8_available() -> bool:
    """Whether this build of PyTorch and this CPU have fbgemm, whose kernels `Int8Linear` uses."""
    return "fbgemm" in torch.backends.quantized.supported_engines


def make_linear(weight: Tensor, bias: Tensor, *, quantize: str) -> Linear:
    """The fastest layer for this weight on its device; the weight itself may be dropped afterwards."""
    if quantize == "int8":
        return Int8Linear(weight, bias)
    if PackedLinear.supports(weight):
        return PackedLinear(weight, bias)
    return DenseLinear(weight, bias)


def _channel_scales(weight: Tensor) -> Tensor:
    """The step between whole numbers for each row, so that neither a number nor two neighbours pass their bound."""
    magnitude = weight.abs()
    even = weight.shape[1] // 2 * 2
    pairs = magnitude[:, 0:even:2] + magnitude[:, 1:even:2]
    scale = torch.maximum(magnitude.amax(dim=1) / WEIGHT_LEVELS, pairs.amax(dim=1) / WEIGHT_PAIR_LEVELS)
    return scale.clamp_min_(SMALLEST_SCALE)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


@contextmanager
def _fbgemm() -> Iterator[None]:
    """Pack for fbgemm, whatever the process's default engine is, and without the warning that such packing gives."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*quantize_per_channel.*")
            yield
    finally:
        torch.backends.quantized.engine = before


def gelu_tanh_(x: Tensor) -> None:
    """GPT-2's tanh approximation of GELU, in place.

    In fp32 on a CPU as `x * sigmoid(x * w)`, `w = 2 * sqrt(2 / pi) * (1 + 0.044715 x^2)`, which is the same function
    for any x: PyTorch's own takes longer for its tanh. Elsewhere PyTorch's.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32:
        torch.ops.aten.gelu_(x, approximate="tanh")
        return
    w = torch.addcmul(_GELU_LINEAR, x, x, value=GELU_CUBIC)
    x.mul_(w.mul_(x).sigmoid_())
