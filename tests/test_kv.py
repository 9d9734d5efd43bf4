"""Slots hold what was written, copies what they were made of, and released ones nothing."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch
from tiny import random_decoder

from codegen_ui.engine.kv.cache import KVCache
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import Segment

torch.set_num_threads(1)
CONFIG = ModelConfig(vocab_size=50, n_positions=64, n_embd=32, n_layer=3, n_head=4, rotary_dim=4)
CPU = torch.device("cpu")


def cache_of(slots: int = 3, length: int = 16, dtype: torch.dtype = torch.float32) -> KVCache:
    return KVCache(CONFIG, slots, length, device=CPU, dtype=dtype)


def fill(cache: KVCache, slot: int, tokens: int, seed: int = 0) -> torch.Tensor:
    """Random keys and values for a slot's first tokens, as a step would leave them."""
    kv = torch.randn(3, 2, 4, tokens, 8, generator=torch.Generator().manual_seed(seed)).to(cache.data.dtype)
    cache.data[:, slot, :, :, :tokens] = kv
    return kv


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_sizes_are_counted_in_bytes(dtype: torch.dtype) -> None:
    cache = cache_of(dtype=dtype)
    assert cache.bytes_per_token == KVCache.token_bytes(CONFIG, dtype) == 3 * 2 * 32 * dtype.itemsize
    assert cache.bytes == 3 * 16 * cache.bytes_per_token


def test_a_new_cache_is_zero_so_that_masked_positions_stay_finite() -> None:
    assert not cache_of().data.any()


def test_a_copy_has_the_tokens_asked_for_and_other_slots_stay_as_they_were() -> None:
    cache = cache_of()
    kv = fill(cache, 1, 10)
    cache.copy(1, 2, 7)
    assert torch.equal(cache.data[:, 2, :, :, :7], kv[:, :, :, :7])
    assert torch.equal(cache.data[:, 1, :, :, :10], kv)
    assert not cache.data[:, 0].any()
    assert not cache.data[:, 2, :, :, 7:].any()


def test_what_is_cleared_is_zero_and_nothing_else() -> None:
    cache = cache_of()
    kv = fill(cache, 0, 12)
    cache.clear(0, 5, 9)
    assert not cache.data[:, 0, :, :, 5:9].any()
    assert torch.equal(cache.data[:, 0, :, :, :5], kv[:, :, :, :5])
    assert torch.equal(cache.data[:, 0, :, :, 9:12], kv[:, :, :, 9:])


@pytest.mark.parametrize("length", [16, 64], ids=["less than a page", "whole pages"])
def test_a_released_slot_is_zero_and_its_neighbours_are_not(length: int) -> None:
    cache = cache_of(length=length)
    kept = [fill(cache, slot, 9, seed=slot) for slot in range(3)]
    cache.release(1)
    assert not cache.data[:, 1].any()
    for slot in (0, 2):
        assert torch.equal(cache.data[:, slot, :, :, :9], kept[slot])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells what a process holds")
def test_slots_take_memory_when_they_are_written_and_give_it_back() -> None:
    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    config = ModelConfig(vocab_size=50, n_positions=2048, n_embd=256, n_layer=4, n_head=4, rotary_dim=4)
    before = held()
    cache = KVCache(config, 64, 2048, device=CPU, dtype=torch.float32)
    assert cache.bytes == 2**30
    assert held() - before < 2**24
    slot = cache.bytes // cache.slots
    cache.data[:, 7] = 1.0
    assert held() - before > 0.9 * slot
    cache.release(7)
    assert held() - before < 0.5 * slot


def test_a_copied_prefix_gives_the_logits_of_a_full_prefill() -> None:
    model = random_decoder(CONFIG)
    prompt = [i * 7 % 50 for i in range(40)]
    cache = model.new_cache(2)
    whole = model.step([Segment(0, 0, prompt)], cache)
    model.step([Segment(1, 0, [3] * 50)], cache)
    cache.copy(0, 1, 25)
    torch.testing.assert_close(model.step([Segment(1, 25, prompt[25:])], cache), whole)


@pytest.mark.parametrize(("slot", "start", "stop"), [(3, 0, 1), (-1, 0, 1), (0, 0, 17), (0, 5, 4), (0, -1, 2)])
def test_what_is_outside_the_cache_is_refused(slot: int, start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not"):
        cache_of().clear(slot, start, stop)


def test_a_cache_without_slots_or_longer_than_the_model_is_refused() -> None:
    with pytest.raises(ValueError, match="slots is 0"):
        cache_of(slots=0)
    with pytest.raises(ValueError, match="64 positions"):
        cache_of(length=65)
    with pytest.raises(ValueError, match="not within"):
        cache_of().copy(0, 1, 17)
