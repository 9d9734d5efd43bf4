"""Slots hold what was written, and copies outlive them."""

from __future__ import annotations

import pytest
import torch

from codegen_ui.engine.kv.cache import CachedKV, KVCache
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel, Segment

torch.set_num_threads(1)
CONFIG = ModelConfig(vocab_size=50, n_positions=64, n_embd=32, n_layer=3, n_head=4, rotary_dim=4)
CPU = torch.device("cpu")


def cache_of(slots: int = 3, length: int = 16, dtype: torch.dtype = torch.float32) -> KVCache:
    return KVCache(CONFIG, slots, length, device=CPU, dtype=dtype)


def random_kv(tokens: int, seed: int = 0) -> CachedKV:
    return CachedKV(torch.randn(3, 2, 4, tokens, 8, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_sizes_are_counted_in_bytes(dtype: torch.dtype) -> None:
    cache = cache_of(dtype=dtype)
    assert cache.bytes_per_token == KVCache.token_bytes(CONFIG, dtype) == 3 * 2 * 32 * dtype.itemsize
    assert cache.bytes == 3 * 16 * cache.bytes_per_token
    assert cache.read(0, 0, 5).bytes == 5 * cache.bytes_per_token


def test_a_new_cache_is_zero_so_that_masked_positions_stay_finite() -> None:
    assert not cache_of().data.any()


def test_what_is_written_is_read_back_and_other_slots_stay_as_they_were() -> None:
    cache = cache_of()
    kv = random_kv(10)
    cache.write(1, kv, 7)
    assert torch.equal(cache.read(1, 0, 7).data, kv.prefix(7).data)
    assert torch.equal(cache.read(1, 2, 5).data, kv.prefix(5).suffix(2).data)
    assert not cache.data[:, [0, 2]].any()
    assert not cache.data[:, 1, :, :, 7:].any()


def test_a_copy_outlives_its_slots_reuse() -> None:
    cache = cache_of()
    cache.write(0, random_kv(4), 4)
    copy = cache.read(0, 0, 4)
    cache.write(0, random_kv(4, seed=1), 4)
    assert torch.equal(copy.data, random_kv(4).data)


def test_pieces_are_written_one_behind_the_other() -> None:
    cache = cache_of()
    whole = random_kv(9)
    cache.write(2, whole.prefix(4), 4)
    cache.write(2, whole.suffix(4), 5, start=4)
    assert torch.equal(cache.read(2, 0, 9).data, whole.data)


def test_a_prefix_shares_its_memory() -> None:
    kv = random_kv(8)
    assert kv.prefix(3).tokens == 3
    assert kv.prefix(3).data.data_ptr() == kv.data.data_ptr()


def test_a_cached_prefix_gives_the_logits_of_a_full_prefill() -> None:
    model = CodeGenModel.random(CONFIG)
    prompt = [i * 7 % 50 for i in range(40)]
    cache = model.new_cache(2)
    whole = model.step([Segment(0, 0, prompt)], cache)
    kv = cache.read(0, 0, 30)
    model.step([Segment(1, 0, [3] * 50)], cache)
    cache.write(1, kv, 25)
    torch.testing.assert_close(model.step([Segment(1, 25, prompt[25:])], cache), whole)


@pytest.mark.parametrize(("slot", "start", "stop"), [(3, 0, 1), (-1, 0, 1), (0, 0, 17), (0, 5, 4), (0, -1, 2)])
def test_what_is_outside_the_cache_is_refused(slot: int, start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="not"):
        cache_of().read(slot, start, stop)


def test_a_cache_without_slots_or_longer_than_the_model_is_refused() -> None:
    with pytest.raises(ValueError, match="slots is 0"):
        cache_of(slots=0)
    with pytest.raises(ValueError, match="64 positions"):
        cache_of(length=65)
    with pytest.raises(ValueError, match="11 tokens wanted"):
        cache_of().write(0, random_kv(10), 11)
