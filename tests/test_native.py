"""The compiled int8 decoder: rows free of their neighbours, bit for bit, and as exact as 8 bits can be."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import random_decoder
from torch import Tensor

from codegen_ui.engine.decoders import Decoder, load_decoder, why_not_native
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel
from codegen_ui.engine.model.layout import Segment
from codegen_ui.engine.model.weights import RandomWeights
from codegen_ui.engine.native import compiled

CONFIG = ModelConfig(vocab_size=101, n_positions=256, n_embd=128, n_layer=2, n_head=4, rotary_dim=16)
WIDE = ModelConfig(vocab_size=101, n_positions=256, n_embd=256, n_layer=2, n_head=4, rotary_dim=16)
ROOT = Path(__file__).parent.parent
CPU = torch.device("cpu")
TEXT = [int(token) for token in np.random.default_rng(5).integers(0, 100, 160)]

reason = compiled.obstacle(CONFIG)
pytestmark = pytest.mark.skipif(reason is not None, reason=f"not compiled here: {reason}")
if reason is None:
    from codegen_ui.engine.native import addresses, attend, intrinsics, rows, vectors
    from codegen_ui.engine.native.gemm import pack
    from codegen_ui.engine.native.model import NativeModel


@functools.cache
def model() -> NativeModel:
    return NativeModel(CONFIG, RandomWeights(CONFIG, 3))


@functools.cache
def one_by_one() -> Tensor:
    """The logits behind every token of TEXT, each computed in a step of its own."""
    cache = model().new_cache(1)
    return torch.cat([model().step([Segment(0, i, [token])], cache) for i, token in enumerate(TEXT)])


@pytest.fixture(autouse=True)
def two_threads() -> None:
    torch.set_num_threads(2)


@pytest.mark.parametrize("count", range(1, 65))
def test_a_chunk_of_any_number_of_rows_gives_the_bits_of_single_tokens(count: int) -> None:
    logits = model().step([Segment(0, 0, TEXT[:count], logits=count)], model().new_cache(1))
    assert torch.equal(logits, one_by_one()[:count])


@pytest.mark.parametrize("count", range(1, 65))
def test_any_number_of_streams_together_gives_the_bits_of_each_alone(count: int) -> None:
    lengths = [7 + 2 * slot for slot in range(count)]
    cache = model().new_cache(count)
    for slot, length in enumerate(lengths):
        model().step([Segment(slot, 0, TEXT[:length], logits=0)], cache)
    segments = [Segment(slot, length, [TEXT[length]]) for slot, length in enumerate(lengths)]
    assert torch.equal(model().step(segments[::-1], cache), one_by_one()[lengths[::-1]])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_chunks_and_neighbours_of_any_size_and_any_number_of_threads_change_no_bit(
    chunks: list[int], seed: int, threads: int
) -> None:
    torch.set_num_threads(threads)
    cache, source, start = model().new_cache(6), np.random.default_rng(seed), 0
    for chunk in chunks:
        tokens = TEXT[start : start + chunk]
        if not tokens:
            break
        before = [
            Segment(slot, 0, TEXT[-int(source.integers(1, 12)) :], logits=1) for slot in range(source.integers(0, 4))
        ]
        behind = [Segment(5, int(source.integers(0, 90)), TEXT[: source.integers(1, 20)], logits=0)]
        logits = model().step([*before, Segment(4, start, tokens, logits=len(tokens)), *behind], cache)
        assert torch.equal(logits[len(before) :], one_by_one()[start : start + len(tokens)])
        start += len(tokens)


@pytest.mark.parametrize("shared", [1, 15, 16, 17, 50, 100])
def test_a_copied_prefix_gives_the_bits_of_a_computed_one(shared: int) -> None:
    cache = model().new_cache(2)
    model().step([Segment(0, 0, TEXT[:120], logits=0)], cache)
    model().step([Segment(1, 0, TEXT[60:150], logits=0)], cache)
    cache.copy(0, 1, shared)
    logits = model().step([Segment(1, shared, TEXT[shared:130], logits=130 - shared)], cache)
    assert torch.equal(logits, one_by_one()[shared:130])


def test_rejected_drafts_leave_no_trace() -> None:
    cache = model().new_cache(1)
    model().step([Segment(0, 0, TEXT[:30], logits=0)], cache)
    verified = model().step([Segment(0, 30, [TEXT[30], 7, 8, 9, 10, 11], logits=6)], cache)
    assert torch.equal(verified[0], one_by_one()[30])
    assert torch.equal(model().step([Segment(0, 31, TEXT[31:33], logits=2)], cache), one_by_one()[31:33])


def test_every_head_touches_its_next_page_at_another_position_and_nothing_else() -> None:
    wide = NativeModel(WIDE, RandomWeights(WIDE))
    cache = wide.new_cache(2)
    cache.codes.fill_(7)
    touched = []
    for position in range(64):
        wide.step([Segment(1, position, [TEXT[position]])], cache)
        beyond = cache.codes[..., 64 * 64 :]
        touched.append(int((beyond == 0).sum()))
        assert int((beyond != 7).sum()) == touched[-1]
    assert touched == [2 * min(position + 1, 8) for position in range(64)], "keys and values of 2 layers' 4 heads"
    assert int((cache.codes[:, 0] != 7).sum()) == 0


@pytest.mark.parametrize("count", [63, 64, 65, 79, 100, 130])
def test_touching_pages_ahead_spoils_nothing_that_the_same_prompt_writes(count: int) -> None:
    wide = NativeModel(WIDE, RandomWeights(WIDE))
    whole = wide.step([Segment(0, 0, TEXT[:150], logits=150)], wide.new_cache(1))
    cache = wide.new_cache(1)
    wide.step([Segment(0, 0, TEXT[:count], logits=0)], cache)
    assert torch.equal(wide.step([Segment(0, count, TEXT[count:150], logits=150 - count)], cache), whole[count:])


def test_numbers_that_overflow_are_seen_and_stay_in_their_own_row() -> None:
    weights = dict(RandomWeights(CONFIG, 3))
    weights["transformer.wte.weight"][100] = 1e30
    broken = NativeModel(CONFIG, weights)
    cache = broken.new_cache(2)
    logits = broken.step([Segment(0, 0, [100]), Segment(1, 0, TEXT[:20], logits=20)], cache)
    assert not logits[0].isfinite().any()
    assert torch.equal(logits[1:], one_by_one()[:20])
    assert not broken.step([Segment(0, 1, [5])], cache).isfinite().any()
    cache.clear(0, 0, 2)
    assert torch.equal(broken.step([Segment(0, 0, [TEXT[0]])], cache), one_by_one()[:1])


def test_steps_that_do_not_fit_are_refused_before_they_write() -> None:
    cache = model().new_cache(1, length=8)
    with pytest.raises(ValueError, match="positions 7 to 9 of slot 0"):
        model().step([Segment(0, 7, [1, 2])], cache)
    with pytest.raises(ValueError, match="token of slot 0"):
        model().step([Segment(0, 0, [101])], cache)
    assert not cache.codes.any()


def test_logits_of_one_step_outlive_the_next() -> None:
    cache = model().new_cache(1)
    first = model().step([Segment(0, 0, TEXT[:5], logits=5)], cache)
    kept = first.clone()
    model().step([Segment(0, 5, TEXT[5:9], logits=4)], cache)
    assert torch.equal(first, kept)
    assert model().step([Segment(0, 9, TEXT[9:12], logits=0)], cache).shape == (0, 101)


@pytest.mark.parametrize(("n_embd", "n_head", "rotary_dim"), [(128, 8, 16), (320, 4, 32), (64, 4, 4), (512, 4, 64)])
def test_the_logits_are_near_those_of_float32(n_embd: int, n_head: int, rotary_dim: int) -> None:
    """The tolerance: rms error over the spread, on weights as a CodeGen is initialised."""
    config = ModelConfig(
        vocab_size=101, n_positions=160, n_embd=n_embd, n_layer=4, n_head=n_head, rotary_dim=rotary_dim
    )
    dense: Decoder = random_decoder(config)
    int8: Decoder = NativeModel(config, RandomWeights(config))
    expected, actual = (m.step([Segment(0, 0, TEXT, logits=160)], m.new_cache(1)) for m in (dense, int8))
    assert (actual - expected).pow(2).mean().sqrt() / expected.std() < 0.04
    assert int8.weights_bytes < 0.4 * dense.weights_bytes
    assert int8.token_bytes() <= dense.token_bytes() * (0.25 + 2 / (4 * config.head_dim))


def test_without_vnni_and_without_a_place_to_keep_what_is_compiled_there_are_the_same_bits(tmp_path: Path) -> None:
    """The same sources compiled for a CPU of 2013, in the memory of a process of its own."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("no CPU of this kind has VNNI")
    code = (
        "import sys, torch; sys.path.insert(0, 'tests'); import test_native as t\n"
        "assert not t.intrinsics.has_vnni()\n"
        "step = t.model().step([t.Segment(0, 0, t.TEXT[:70], logits=70)], t.model().new_cache(1))\n"
        "print(t.compiled.is_kept(), step.numpy().tobytes().hex())"
    )
    old = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+sse4.2,+popcnt"}
    (tmp_path / "file").touch()
    nowhere = {"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": str(tmp_path / "file")}
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=ROOT, env=os.environ | old | nowhere, capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", one_by_one()[:70].numpy().tobytes().hex()]


def test_sums_of_four_products_of_bytes_are_exact_with_and_without_special_instructions() -> None:
    anywhere = intrinsics.operation(*4 * (intrinsics.ints,))(vectors.dot4_exact)

    @intrinsics.kernel
    def both(a: int, b: int, c: int, out: int) -> None:
        sums = addresses.load_ints(a)
        first = vectors.dot4(sums, addresses.load_ints(b), addresses.load_ints(c))
        second = anywhere(sums, addresses.load_ints(b), addresses.load_ints(c))
        addresses.store(out, vectors.to_floats(first))
        addresses.store(out + 64, vectors.to_floats(second))

    source = np.random.default_rng(0)
    extremes = np.array([0, 255], dtype=np.uint8), np.array([-128, 127], dtype=np.int8)
    for unsigned, signed in (
        (source.integers(0, 256, 64).astype(np.uint8), source.integers(-128, 128, 64).astype(np.int8)),
        (source.choice(extremes[0], 64), source.choice(extremes[1], 64)),
    ):
        sums, out = np.arange(16, dtype=np.int32), np.zeros(32, dtype=np.float32)
        both(sums.ctypes.data, unsigned.ctypes.data, signed.ctypes.data, out.ctypes.data)
        expected = sums + (unsigned.astype(np.int64) * signed).reshape(16, 4).sum(axis=1)
        assert out.tolist() == [*expected, *expected]


def apply(function: Any, x: np.ndarray, *arguments: Any) -> np.ndarray:
    """A kernel that works in place, on a copy."""
    copy = x.astype(np.float32)
    function(copy.ctypes.data, len(copy), *arguments)
    return copy


def test_gelu_is_the_tanh_approximation_over_the_whole_range() -> None:
    x = np.concatenate((np.linspace(-12, 12, 4000), [-3e4, -500, -90, -88, 0, 88, 90, 500], np.zeros(8)))
    expected = torch.nn.functional.gelu(torch.from_numpy(x), approximate="tanh").numpy()
    np.testing.assert_allclose(apply(rows.gelu, x), expected, rtol=1e-5, atol=1e-6)


def test_the_norm_is_pytorchs() -> None:
    x, weight, bias = (torch.randn(3, 320, generator=torch.Generator().manual_seed(1)) * 3 + 1).unbind(0)
    out = torch.empty(320)
    rows.normalise(x.data_ptr(), 320, weight.data_ptr(), bias.data_ptr(), 1e-5, out.data_ptr())
    torch.testing.assert_close(out, torch.nn.functional.layer_norm(x, (320,), weight, bias), rtol=1e-5, atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([16, 32, 80]), st.floats(0.1, 30))
@settings(max_examples=60, deadline=None)
def test_attention_is_that_of_the_keys_and_values_as_they_are_kept(
    seed: int, count: int, dim: int, spread: float
) -> None:
    """Against float64 over what 8 bits keep of the keys and values: nothing else may be lost to speak of."""
    source, room = np.random.default_rng(seed), 208
    keys, values = source.normal(size=(2, count, dim)).astype(np.float32)
    query = (source.normal(size=dim) * spread).astype(np.float32)
    codes, scales = np.zeros((2, room * dim), np.int8), np.full((2, room), 0x7FC0, np.uint16)  # beyond: no numbers
    work = np.zeros(room * 8 + 2 * dim, np.float32)
    for position in range(count):
        for i, (write, x) in enumerate(((attend.write_value, values), (attend.write_key, keys))):
            place = codes[i].ctypes.data, scales[i].ctypes.data
            write(x[position].ctypes.data, dim, *place, position, work.ctypes.data)
    out, address = np.zeros(dim, np.float32), work.ctypes.data
    attend.attend(
        query.ctypes.data,
        dim,
        codes[1].ctypes.data,
        codes[0].ctypes.data,
        scales[1].ctypes.data,
        scales[0].ctypes.data,
        count,
        address,
        address + room * 4,
        address + room * 5 + dim,
        out.ctypes.data,
    )
    steps = (scales[:, :count].astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    kept_values = codes[0].reshape(room // 4, dim, 4).transpose(0, 2, 1).reshape(room, dim)[:count] * steps[0][:, None]
    bytes_of_keys = codes[1].view(np.uint8).reshape(room // 16, dim // 4, 16, 4).transpose(0, 2, 1, 3)
    kept_keys = (bytes_of_keys.reshape(room, dim)[:count].astype(np.float64) - 128) * steps[1][:, None]
    for kept, true in ((kept_values, values), (kept_keys, keys)):
        assert np.abs(kept - true).max() <= 0.51 * np.abs(true).max() / 126
    scores = kept_keys @ query / np.sqrt(dim)
    weights = np.exp(scores - scores.max())
    expected = weights @ kept_values / weights.sum()
    np.testing.assert_allclose(out, expected, atol=3e-3 * np.abs(values).max(), rtol=0)


def test_packed_weights_lose_half_a_step_at_most_and_take_a_byte_each() -> None:
    weight = torch.randn(70, 64, generator=torch.Generator().manual_seed(2))
    packed = pack(weight, torch.arange(70.0))
    whole = packed.weights.transpose(1, 2).reshape(96, 64)
    steps = weight.abs().amax(dim=1) / 127
    assert ((whole[:70] * steps[:, None] - weight).abs() <= 0.5001 * steps[:, None]).all()
    assert not whole[70:].any()
    assert torch.equal(packed.sums, whole.sum(dim=1, dtype=torch.int32))
    assert packed.biases[:70].tolist() == list(range(70))
    assert packed.bytes == 96 * 64 + 12 * 96


def test_int8_on_a_cpu_is_compiled_and_everything_else_is_not() -> None:
    weights = RandomWeights(CONFIG)
    options: dict[str, Any] = {"device": CPU, "dtype": torch.float32}
    assert isinstance(load_decoder(CONFIG, weights, quantize="int8", **options), NativeModel)
    assert isinstance(load_decoder(CONFIG, weights, quantize="none", **options), CodeGenModel)
    assert not load_decoder(CONFIG, weights, quantize="none", **options).batch_invariant
    odd = ModelConfig(vocab_size=101, n_positions=64, n_embd=40, n_layer=1, n_head=4, rotary_dim=4)
    assert "multiple of 32" in (why_not_native(odd, CPU, torch.float32, "int8") or "")
    assert "float32" in (why_not_native(CONFIG, CPU, torch.bfloat16, "int8") or "")


def test_without_numba_int8_runs_on_pytorchs_operators_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "codegen_ui.engine.native.team", None)
    weights = RandomWeights(CONFIG)
    decoder = load_decoder(CONFIG, weights, device=CPU, dtype=torch.float32, quantize="int8")
    assert isinstance(decoder, CodeGenModel)
    assert not decoder.batch_invariant
    assert "numba, which compiles its kernels, cannot be imported" in caplog.text


def test_compiled_code_is_kept_where_only_the_user_can_write_and_nowhere_else(tmp_path: Path) -> None:
    folder = compiled.cache_folder({"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)})
    assert folder is not None
    assert folder.parent == tmp_path / "cache" / "codegen-playground"
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o777)
    assert compiled.cache_folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}) is None
    (tmp_path / "file").touch()
    assert compiled.cache_folder({"XDG_CACHE_HOME": str(tmp_path / "file"), "HOME": str(tmp_path / "file")}) is None
    assert compiled.cache_folder({"HOME": str(tmp_path)}) == tmp_path / ".cache/codegen-playground" / folder.name


def test_what_is_kept_is_found_from_another_place_with_the_same_sources(tmp_path: Path) -> None:
    compiled.step_address()
    shutil.copytree(
        Path(compiled.__file__).parents[2], tmp_path / "codegen_ui", ignore=shutil.ignore_patterns("bundled")
    )
    code = (
        "import torch; from codegen_ui.engine.native import compiled\n"
        "assert compiled.step_address(); print(compiled.__file__, compiled._kept[0].cache_hits)"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert out.stdout.split() == [str(tmp_path / "codegen_ui/engine/native/compiled.py"), "1"]
