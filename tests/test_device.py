"""Devices, dtypes and memory by their options' names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codegen_ui.engine import device
from codegen_ui.engine.device import Promise
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.linear import int8_available
from codegen_ui.errors import InvalidInput

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SHAPE_350M = ModelConfig(vocab_size=51200, n_positions=2048, n_embd=1024, n_layer=20, n_head=16, rotary_dim=32)


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.resolve_device("auto").type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.resolve_device("auto").type == "cpu"


@pytest.mark.parametrize("name", ["cuda", "tpu", ""])
def test_a_device_that_is_not_here_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidInput, match="device"):
        device.resolve_device(name)


def test_auto_dtype_is_fp32_on_a_cpu_and_fp16_elsewhere() -> None:
    assert device.resolve_dtype("auto", CPU) is torch.float32
    assert device.resolve_dtype("auto", CUDA) is torch.float16
    assert device.resolve_dtype("bfloat16", CPU) is torch.bfloat16
    with pytest.raises(InvalidInput, match="float32, bfloat16, float16"):
        device.resolve_dtype("int4", CPU)


def test_int8_is_for_cpus_that_have_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.resolve_quantize("none", CUDA) == "none"
    assert device.resolve_quantize("auto", CUDA) == "none"
    with pytest.raises(InvalidInput, match="int8 is for CPUs"):
        device.resolve_quantize("int8", CUDA)
    if int8_available():
        assert device.resolve_quantize("int8", CPU) == "int8"
        assert device.resolve_quantize("auto", CPU) == "int8"
    monkeypatch.setattr(device, "int8_available", lambda: False)
    assert device.resolve_quantize("auto", CPU) == "none"
    with pytest.raises(InvalidInput, match="x86"):
        device.resolve_quantize("int8", CPU)


def test_memory_is_that_of_this_machine() -> None:
    assert 0 < device.memory_free(CPU) <= device.memory_total(CPU)
    used = device.memory_used(CPU)
    assert used is None or 10**7 < used < device.memory_total(CPU)
    assert device.device_name(CPU)


def test_a_containers_limit_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    limit = device._container_limit(tmp_path)
    assert limit == device.Memory(free=600000, total=1000000)
    (tmp_path / "memory.max").write_text("max\n")
    assert device._container_limit(tmp_path) is None
    assert device._container_limit(tmp_path / "none") is None
    monkeypatch.setattr(device, "_container_limit", lambda: limit)
    assert device.memory(CPU) == limit


@pytest.mark.parametrize(("free_gib", "slots"), [(0.1, 1), (2, 3), (100, 8)])
def test_slots_fill_half_of_the_free_memory(free_gib: float, slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_promises", [])
    free = int(free_gib * 2**30)
    monkeypatch.setattr(device, "memory", lambda _: device.Memory(free, 2 * free))
    chosen, reason = device.choose_slots(SHAPE_350M, CPU, 20 * 2 * 1024 * 4, "none")
    assert chosen == slots
    assert reason.startswith(f"{slots} slot")
    assert "320 MiB each" in reason


def test_what_one_engine_was_promised_is_not_promised_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_promises", [])
    monkeypatch.setattr(device, "memory", lambda _: device.Memory(8 * 2**30, 16 * 2**30))
    taken = 2**30
    promise = Promise(5 * 2**30, lambda: taken)
    try:
        assert device.memory_free(CPU) == 4 * 2**30
        taken = 5 * 2**30
        assert device.memory_free(CPU) == 8 * 2**30, "what it has taken is not free anyway"
    finally:
        promise.end()
        promise.end()
    taken = 0
    assert device.memory_free(CPU) == 8 * 2**30


def test_half_precision_is_summed_in_full() -> None:
    device.sum_in_full_precision()
    assert not torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
    assert not torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
