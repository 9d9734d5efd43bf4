"""GPT-2's activation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

GELU_LINEAR = 2 * math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715 * GELU_LINEAR
_GELU_LINEAR = torch.tensor(GELU_LINEAR)  # made once: every layer of every step adds it


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
