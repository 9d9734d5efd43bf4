"""Linear layers: each kind against plain arithmetic, and int8 rows free of their neighbours."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from codegen_ui.engine.model.linear import (
    ACTIVATION_LEVELS,
    DenseLinear,
    Int8Linear,
    PackedLinear,
    int8_available,
    make_linear,
)

torch.set_num_threads(1)
needs_int8 = pytest.mark.skipif(not int8_available(), reason="this CPU or build of PyTorch has no fbgemm")


def weight_and_bias(out: int = 96, inputs: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(out, inputs, generator=generator), torch.randn(out, generator=generator)


def rows(count: int, inputs: int = 64, seed: int = 1) -> Tensor:
    return torch.randn(count, inputs, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 3, 8, 70])
def test_packed_fp32_weights_give_the_plain_product(count: int) -> None:
    weight, bias = weight_and_bias()
    expected = rows(count).double() @ weight.double().t() + bias.double()
    torch.testing.assert_close(PackedLinear(weight, bias)(rows(count)).double(), expected, rtol=1e-5, atol=1e-5)


def test_the_packed_layer_reads_rows_that_are_a_slice_of_wider_ones() -> None:
    weight, bias = weight_and_bias()
    wide = rows(5, inputs=100)
    torch.testing.assert_close(PackedLinear(weight, bias)(wide[:, 36:]), wide[:, 36:] @ weight.t() + bias)


def test_fp32_on_a_cpu_is_packed_and_half_precision_is_not() -> None:
    weight, bias = weight_and_bias()
    assert isinstance(make_linear(weight, bias, quantize="none"), PackedLinear)
    assert isinstance(make_linear(weight.half(), bias.half(), quantize="none"), DenseLinear)


@needs_int8
@pytest.mark.parametrize("inputs", [32, 64, 250, 1024])
def test_int8_rows_are_bit_equal_alone_and_in_any_company(inputs: int) -> None:
    layer = Int8Linear(*weight_and_bias(96, inputs))
    batch = rows(33, inputs) * torch.logspace(-4, 4, 33)[:, None]
    together = layer(batch)
    for i in range(33):
        assert torch.equal(layer(batch[i : i + 1])[0], together[i])
    assert torch.equal(layer(batch[5:12]), together[5:12])
    assert torch.equal(layer(batch.flip(0)), together.flip(0))


@needs_int8
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_int8_products_of_the_largest_numbers_do_not_saturate(sign: float) -> None:
    """The largest values everywhere: with 8-bit activations the CPU's 16-bit pair sums would stop at 32767."""
    layer = Int8Linear(torch.full((16, 512), sign), torch.zeros(16))
    x = torch.full((2, 512), 3.0)
    x[:, ::2] *= sign
    torch.testing.assert_close(layer(x), sign * x.sum(dim=1, keepdim=True).expand(2, 16), rtol=0.01, atol=1e-3)


@needs_int8
@given(st.integers(0, 2**32 - 1), st.integers(2, 130), st.floats(0.2, 6))
@settings(max_examples=40, deadline=None)
def test_int8_results_are_the_exact_sums_of_quantised_numbers(seed: int, inputs: int, spread: float) -> None:
    """Weights and rows from flat to heavy-tailed, against the same arithmetic in whole numbers."""
    generator = torch.Generator().manual_seed(seed)
    weight, x = (torch.randn(n, inputs, generator=generator).sign() for n in (24, 5))
    for tensor in (weight, x):
        tensor.mul_(torch.rand(tensor.shape, generator=generator) ** spread + 1e-3)
    layer = Int8Linear(weight, torch.zeros(24))
    kept, _ = torch.ops.quantized.linear_unpack(layer._packed)
    whole, channel_scales = kept.int_repr(), kept.q_per_channel_scales()
    activations = (x / x.abs().amax(dim=1, keepdim=True) * ACTIVATION_LEVELS).double()
    doubtful = (activations.frac().abs() - 0.5).abs() < 1e-3  # which way these round is the kernel's business
    x[doubtful.any(dim=1)] = 0
    rounded = activations.round() * ~doubtful.any(dim=1, keepdim=True)
    row_scales = x.abs().amax(dim=1, keepdim=True).double() / ACTIVATION_LEVELS
    expected = (rounded @ whole.double().t()) * row_scales * channel_scales.double()
    torch.testing.assert_close(layer(x).double(), expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()) + 1e-9)


@needs_int8
def test_int8_error_is_that_of_rounding_alone() -> None:
    weight, bias = weight_and_bias(512, 1024)
    x = rows(16, 1024)
    expected = x @ weight.t()
    error = (Int8Linear(weight, bias)(x) - bias - expected).pow(2).mean().sqrt() / expected.std()
    assert error < 0.015


@needs_int8
def test_one_rows_outlier_costs_the_others_nothing() -> None:
    layer = Int8Linear(*weight_and_bias())
    x = rows(4)
    quiet = layer(x)
    x[2, 7] = 1e6
    loud = layer(x)
    assert torch.equal(quiet[[0, 1, 3]], loud[[0, 1, 3]])
    assert not torch.equal(quiet[2], loud[2])


@needs_int8
def test_int8_of_a_row_of_zeros_is_the_bias() -> None:
    weight, bias = weight_and_bias()
    assert torch.equal(Int8Linear(weight, bias)(torch.zeros(2, 64)), bias.expand(2, -1))


@needs_int8
def test_int8_takes_a_quarter_of_the_memory_and_keeps_the_default_engine() -> None:
    before = torch.backends.quantized.engine
    weight, bias = weight_and_bias(1024, 1024)
    assert Int8Linear(weight, bias).bytes < 0.27 * PackedLinear(weight, bias).bytes
    assert torch.backends.quantized.engine == before
