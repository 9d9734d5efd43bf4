"""Which tensors a CodeGen checkpoint holds, and what they weigh. Pure arithmetic: no torch here."""

from __future__ import annotations

from math import prod

from codegen_ui.engine.config import ModelConfig

BYTES_PER_VALUE = {"float32": 4, "bfloat16": 2, "float16": 2}

LEFTOVERS = (".attn.causal_mask", ".attn.masked_bias", ".attn.bias", ".attn.scale_attn", ".attn.embed_positions")
"""Endings of buffers that old checkpoints carry beside their weights; they are computed, not learned."""


def expected_tensors(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every weight, by the names of transformers' `CodeGenForCausalLM`, in the model's order."""
    width, inner = config.n_embd, config.inner
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (config.vocab_size, width)}
    for layer in range(config.n_layer):
        block = f"transformer.h.{layer}"
        shapes |= {
            f"{block}.ln_1.weight": (width,),
            f"{block}.ln_1.bias": (width,),
            f"{block}.attn.qkv_proj.weight": (3 * width, width),
            f"{block}.attn.out_proj.weight": (width, width),
            f"{block}.mlp.fc_in.weight": (inner, width),
            f"{block}.mlp.fc_in.bias": (inner,),
            f"{block}.mlp.fc_out.weight": (width, inner),
            f"{block}.mlp.fc_out.bias": (width,),
        }
    shapes |= {
        "transformer.ln_f.weight": (width,),
        "transformer.ln_f.bias": (width,),
        "lm_head.weight": (config.vocab_size, width),
        "lm_head.bias": (config.vocab_size,),
    }
    return shapes


def parameter_count(config: ModelConfig) -> int:
    return sum(prod(shape) for shape in expected_tensors(config).values())


def weights_bytes(config: ModelConfig, dtype: str, *, quantize: str = "none") -> int:
    """Bytes of the weights in memory. int8 means a byte in the matrices, two in the embedding, `dtype` elsewhere."""
    total = 0
    for name, shape in expected_tensors(config).items():
        size = BYTES_PER_VALUE[dtype]
        if quantize == "int8" and len(shape) == 2:
            size = 2 if name == "transformer.wte.weight" else 1
        total += prod(shape) * size
    return total


def kv_bytes_per_token(config: ModelConfig, dtype: str) -> int:
    return 2 * config.n_layer * config.n_embd * BYTES_PER_VALUE[dtype]


def required_bytes(config: ModelConfig, dtype: str, *, quantize: str = "none") -> int:
    """The least that running the model takes: weights, one context of KV, and the largest part still in two forms."""
    embedding = config.vocab_size * config.n_embd
    layer = config.n_embd * (4 * config.n_embd + 2 * config.inner)
    arriving = 2 * max(embedding, layer) * BYTES_PER_VALUE[dtype]
    context = config.n_positions * kv_bytes_per_token(config, dtype)
    return weights_bytes(config, dtype, quantize=quantize) + context + arriving
