"""Linear layers: each kind against plain arithmetic, and int8 rows free of their neighbours."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from codegen_ui.engine.linear import DenseLinear, Int8Linear, PackedLinear, int8_available, make_linear

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
def test_int8_products_are_exact_sums_of_the_quantised_numbers() -> None:
    """The largest values everywhere: with 8-bit activations the CPU's 16-bit pair sums would saturate."""
    weight = torch.full((16, 512), 1.0)
    layer = Int8Linear(weight, torch.zeros(16))
    torch.testing.assert_close(layer(torch.full((2, 512), 3.0)), torch.full((2, 16), 3.0 * 512))


@needs_int8
def test_int8_error_is_that_of_seven_bit_activations() -> None:
    weight, bias = weight_and_bias(512, 1024)
    x = rows(16, 1024)
    expected = x @ weight.t()
    error = (Int8Linear(weight, bias)(x) - bias - expected).pow(2).mean().sqrt() / expected.std()
    assert error < 0.03


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
