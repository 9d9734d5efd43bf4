"""The decoder against transformers' own, on small random checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import random_decoder
from torch import Tensor
from transformers import CodeGenConfig, CodeGenForCausalLM

from codegen_ui.engine.kv.cache import KVCache
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel, Segment
from codegen_ui.engine.model.linear import gelu_tanh_, int8_available

CPU = torch.device("cpu")
torch.set_num_threads(1)  # the models here are too small for two
SHAPES = {
    "4 heads of 8, rotary 4": (32, 4, 4),
    "8 heads of 16, rotary 16 (whole head)": (128, 8, 16),
    "4 heads of 32, rotary 2": (128, 4, 2),
    "16 heads of 4, rotary 4": (64, 16, 4),
    "4 heads of 5 (odd), rotary 4": (20, 4, 4),
}


def random_pair(
    n_embd: int, n_head: int, rotary_dim: int, *, n_positions: int = 256, n_layer: int = 2, vocab_size: int = 101
) -> tuple[CodeGenForCausalLM, ModelConfig]:
    torch.manual_seed(n_embd + n_head + rotary_dim)
    reference = CodeGenForCausalLM(
        CodeGenConfig(
            vocab_size=vocab_size,
            n_positions=n_positions,
            n_ctx=n_positions,
            n_embd=n_embd,
            n_head=n_head,
            n_layer=n_layer,
            rotary_dim=rotary_dim,
            bos_token_id=0,
            eos_token_id=0,
            tie_word_embeddings=False,
        )
    ).eval()
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
            elif "ln_" not in name:
                parameter.normal_(std=0.25 if "attn" in name or "wte" in name else 0.12)
    return reference, ModelConfig.from_json(reference.config.to_dict())


def ours(reference: CodeGenForCausalLM, config: ModelConfig, **options: Any) -> CodeGenModel:
    arguments: dict[str, Any] = {"device": CPU, "dtype": torch.float32, **options}
    return CodeGenModel(config, reference.state_dict(), **arguments)


def greedy_reference(reference: CodeGenForCausalLM, prompt: list[int], new_tokens: int) -> list[int]:
    ids = torch.tensor([prompt])
    out = reference.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        min_new_tokens=new_tokens,
        max_new_tokens=new_tokens,
        eos_token_id=-1,
        pad_token_id=0,
    )
    return [int(token) for token in out[0, len(prompt) :]]


def greedy(model: CodeGenModel, cache: KVCache, slot: int, prompt: list[int], new_tokens: int) -> list[int]:
    logits = model.step([Segment(slot, 0, prompt)], cache)
    tokens: list[int] = []
    while True:
        tokens.append(int(logits[-1].argmax()))
        if len(tokens) == new_tokens:
            return tokens
        logits = model.step([Segment(slot, len(prompt) + len(tokens) - 1, tokens[-1:])], cache)


def prompt_of(length: int, seed: int = 0, vocabulary: int = 101) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return [int(token) for token in torch.randint(0, vocabulary, (length,), generator=generator)]


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def pair(request: pytest.FixtureRequest) -> tuple[CodeGenForCausalLM, ModelConfig]:
    return random_pair(*request.param)


@pytest.fixture(scope="module")
def small() -> tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel]:
    reference, config = random_pair(64, 4, 8)
    return reference, config, ours(reference, config)


def reference_logits(reference: CodeGenForCausalLM, tokens: list[int]) -> Tensor:
    with torch.no_grad():
        logits: Tensor = reference(torch.tensor([tokens])).logits[0]
    return logits


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_prefill_logits_equal_those_of_transformers(pair: tuple[CodeGenForCausalLM, ModelConfig]) -> None:
    model = ours(*pair)
    prompt = prompt_of(40)
    logits = model.step([Segment(0, 0, prompt, logits=40)], model.new_cache(1))
    assert logits.dtype == torch.float32
    close(logits, reference_logits(pair[0], prompt))


def test_greedy_tokens_equal_those_of_generate(pair: tuple[CodeGenForCausalLM, ModelConfig]) -> None:
    model = ours(*pair)
    cache = model.new_cache(2)
    greedy(model, cache, 1, prompt_of(100, seed=9), 20)  # a slot that was used before
    assert greedy(model, cache, 1, prompt_of(17), 220) == greedy_reference(pair[0], prompt_of(17), 220)


def test_greedy_tokens_agree_up_to_the_last_position_of_the_context() -> None:
    reference, config = random_pair(32, 4, 8, n_positions=2048, n_layer=1, vocab_size=53)
    model = ours(reference, config)
    prompt = prompt_of(1900, vocabulary=53)
    tokens = greedy(model, model.new_cache(1), 0, prompt, 148)
    assert len(prompt) + len(tokens) == 2048
    assert tokens == greedy_reference(reference, prompt, 148)


def test_a_step_past_the_cache_is_refused_before_it_writes(
    small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel],
) -> None:
    model = small[2]
    cache = model.new_cache(1, length=8)
    with pytest.raises(ValueError, match="positions 7 to 9 of slot 0"):
        model.step([Segment(0, 7, [1, 2])], cache)
    with pytest.raises(ValueError, match="token of slot 0"):
        model.step([Segment(0, 0, [101])], cache)
    assert not cache.data.any()


def test_a_prompt_in_chunks_gives_the_same_logits_as_in_one_piece(
    small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel],
) -> None:
    _, _, model = small
    prompt = prompt_of(90)
    whole = model.step([Segment(0, 0, prompt)], model.new_cache(1))
    cache = model.new_cache(1)
    for start in range(0, 80, 16):
        assert model.step([Segment(0, start, prompt[start : start + 16], logits=0)], cache).shape == (0, 101)
    close(model.step([Segment(0, 80, prompt[80:])], cache), whole)


def test_mixed_segments_of_many_slots_equal_each_one_alone(
    small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel],
) -> None:
    """Decode, drafts to verify, a first and a later prefill chunk in one step, in any order, with slots left out."""
    reference, _, model = small
    cache = model.new_cache(8)
    streams = {6: 33, 2: 12, 3: 70, 7: 35, 5: 41}
    texts = {slot: prompt_of(length + 9, seed=slot) for slot, length in streams.items()}
    for slot, length in streams.items():
        model.step([Segment(slot, 0, texts[slot][:length], logits=0)], cache)
    fresh = prompt_of(20, seed=77)
    segments = [
        Segment(6, 33, texts[6][33:34]),
        Segment(3, 70, texts[3][70:75], logits=5),
        Segment(0, 0, fresh, logits=2),
        Segment(2, 12, texts[2][12:13]),
        Segment(7, 35, texts[7][35:36]),
        Segment(5, 41, texts[5][41:49], logits=0),
    ]
    logits = model.step(segments, cache)
    expected = [
        reference_logits(reference, texts[6][:34])[-1:],
        reference_logits(reference, texts[3][:75])[-5:],
        reference_logits(reference, fresh)[-2:],
        reference_logits(reference, texts[2][:13])[-1:],
        reference_logits(reference, texts[7][:36])[-1:],
    ]
    close(logits, torch.cat(expected))


def test_slots_decoded_together_give_the_tokens_of_each_alone(
    small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel],
) -> None:
    reference, _, model = small
    cache = model.new_cache(6)
    prompts = [prompt_of(length, seed=length) for length in (3, 60, 61, 62, 10, 130)]
    tokens = [[int(model.step([Segment(i, 0, p)], cache).argmax())] for i, p in enumerate(prompts)]
    for _ in range(99):
        lengths = [len(p) + len(t) - 1 for p, t in zip(prompts, tokens, strict=True)]
        segments = [Segment(i, length, tokens[i][-1:]) for i, length in enumerate(lengths)]
        for stream, token in zip(tokens, model.step(segments, cache).argmax(-1).tolist(), strict=True):
            stream.append(token)
    assert tokens == [greedy_reference(reference, p, 100) for p in prompts]


def test_rejected_drafts_leave_no_trace(small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel]) -> None:
    _, _, model = small
    cache = model.new_cache(1)
    prompt = prompt_of(30)
    model.step([Segment(0, 0, prompt)], cache)
    model.step([Segment(0, 30, [5, 6, 7, 8], logits=4)], cache)
    close(model.step([Segment(0, 31, [9])], cache), reference_logits(small[0], [*prompt, 5, 9])[-1:])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_fp32(dtype: torch.dtype) -> None:
    reference, config = random_pair(64, 4, 8)
    prompt = prompt_of(50)
    expected = reference_logits(reference, prompt)
    model = ours(reference, config, dtype=dtype)
    cache = model.new_cache(2)
    assert cache.data.dtype == dtype
    actual = model.step([Segment(1, 0, prompt, logits=50)], cache)
    assert actual.dtype == torch.float32
    error = (actual - expected).pow(2).mean().sqrt() / expected.std()
    assert error < (0.06 if dtype == torch.bfloat16 else 0.01)


def test_fp16_attention_scores_beyond_fp16_do_not_overflow() -> None:
    """Queries and keys grow with ln_1's weight; their dot products pass 65504 many times over."""
    reference, config = random_pair(64, 4, 8, n_layer=1)
    with torch.no_grad():
        reference.transformer.h[0].attn.qkv_proj.weight.mul_(200)
    model = ours(reference, config, dtype=torch.float16)
    prompt = prompt_of(60)
    cache = model.new_cache(1)
    logits = model.step([Segment(0, 0, prompt, logits=60)], cache)
    keys = cache.data[0, 0, 1, :, :60].float()
    assert torch.einsum("hid,hjd->hij", keys, keys).max() > 4 * 65504
    assert logits.isfinite().all()


def test_prefill_and_decode_run_on_the_meta_device_so_no_cpu_tensor_slips_in() -> None:
    _, config = random_pair(64, 4, 8)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        model = random_decoder(config, device=torch.device("meta"), dtype=dtype)
        cache = model.new_cache(4)
        prefill = model.step([Segment(0, 0, [1, 2, 3]), Segment(2, 5, [1, 2, 3])], cache)
        assert (prefill.device.type, prefill.shape, prefill.dtype) == ("meta", (2, 101), torch.float32)
        decode = model.step([Segment(1, 9, [1]), Segment(2, 8, [1]), Segment(0, 3, [1])], cache)
        assert (decode.device.type, decode.shape) == ("meta", (3, 101))


def test_a_missing_or_misshapen_tensor_is_named(small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel]) -> None:
    weights = small[0].state_dict()
    name = "transformer.h.1.mlp.fc_out.weight"
    with pytest.raises(ValueError, match=f"no tensor {name}"):
        CodeGenModel(small[1], {k: v for k, v in weights.items() if k != name}, device=CPU, dtype=torch.float32)
    with pytest.raises(ValueError, match=f"tensor {name} has shape"):
        CodeGenModel(small[1], {**weights, name: weights[name].t()}, device=CPU, dtype=torch.float32)


def test_old_checkpoints_leftover_buffers_are_ignored(
    small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel],
) -> None:
    attention = "transformer.h.0.attn."
    leftovers = {attention + "causal_mask": torch.ones(1, 1, 8, 8), attention + "masked_bias": torch.ones(1)}
    model = CodeGenModel(small[1], {**small[0].state_dict(), **leftovers}, device=CPU, dtype=torch.float32)
    assert model.parameters == small[0].num_parameters()


def test_loading_reports_bytes_and_looks_each_tensor_up_once(
    small: tuple[CodeGenForCausalLM, ModelConfig, CodeGenModel],
) -> None:
    class Counting(dict[str, Tensor]):
        seen: list[str] = []  # noqa: RUF012

        def __getitem__(self, name: str) -> Tensor:
            self.seen.append(name)
            return super().__getitem__(name)

    weights = Counting(small[0].state_dict())
    reports: list[tuple[int, int]] = []
    model = CodeGenModel(
        small[1], weights, device=CPU, dtype=torch.float32, progress=lambda done, total: reports.append((done, total))
    )
    assert sorted(weights.seen) == sorted(set(weights.seen)) == sorted(small[0].state_dict())
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})
    assert reports[-1] == (4 * model.parameters, 4 * model.parameters)


def test_a_loaded_model_does_not_change_its_checkpoint() -> None:
    reference, config = random_pair(32, 4, 4)
    before = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    model = ours(reference, config)
    greedy(model, model.new_cache(1), 0, [1, 2, 3], 5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in reference.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gelu_is_the_tanh_approximation_over_the_whole_range(dtype: torch.dtype) -> None:
    x = torch.cat((torch.linspace(-12, 12, 4001), torch.tensor([-3e4, -500.0, 0.0, 500.0, 3e4]))).to(dtype)
    expected = torch.nn.functional.gelu(x.double(), approximate="tanh")
    gelu_tanh_(x)
    tolerance = {torch.float32: 1e-6, torch.bfloat16: 1e-2, torch.float16: 2e-3}[dtype]
    torch.testing.assert_close(x.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(not int8_available(), reason="this CPU or build of PyTorch has no fbgemm")
def test_int8_logits_are_within_five_percent_of_fp32() -> None:
    """The tolerance: rms error of the logits over their spread, on weights as a CodeGen is initialised."""
    config = ModelConfig(vocab_size=101, n_positions=64, n_embd=256, n_layer=4, n_head=8, rotary_dim=16)
    prompt = prompt_of(60)
    dense, int8 = (random_decoder(config, quantize=quantize) for quantize in ("none", "int8"))
    expected, actual = (m.step([Segment(0, 0, prompt, logits=60)], m.new_cache(1)) for m in (dense, int8))
    assert (actual - expected).pow(2).mean().sqrt() / expected.std() < 0.05
    assert int8.weights_bytes < 0.35 * dense.weights_bytes


@pytest.mark.skipif(not int8_available(), reason="this CPU or build of PyTorch has no fbgemm")
def test_int8_streams_decoded_together_give_the_tokens_of_each_alone() -> None:
    reference, config = random_pair(64, 4, 8)
    model = ours(reference, config, quantize="int8")
    cache = model.new_cache(5)
    prompts = [prompt_of(length, seed=length) for length in (4, 40, 41, 90)]
    alone = [greedy(model, cache, 4, prompt, 40) for prompt in prompts]
    for slot, prompt in enumerate(prompts):
        for start in range(0, len(prompt) - 1, 16):
            piece = prompt[start : min(start + 16, len(prompt) - 1)]
            assert model.step([Segment(slot, start, piece, logits=0)], cache).shape == (0, 101)
    tokens = [prompt[-1:] for prompt in prompts]
    for _ in range(40):
        segments = [
            Segment(slot, len(prompt) + len(made) - 2, made[-1:])
            for slot, (prompt, made) in enumerate(zip(prompts, tokens, strict=True))
        ]
        for made, token in zip(tokens, model.step(segments, cache).argmax(-1).tolist(), strict=True):
            made.append(token)
    assert [made[1:] for made in tokens] == alone
