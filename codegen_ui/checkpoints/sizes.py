"""What a CodeGen checkpoint weighs, on disk and in memory. Pure arithmetic: no torch here."""

from __future__ import annotations

from math import prod

from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.shapes import parameter_shapes

BYTES_PER_VALUE = {"float32": 4, "bfloat16": 2, "float16": 2}

LEFTOVERS = (".attn.causal_mask", ".attn.masked_bias", ".attn.bias", ".attn.scale_attn", ".attn.embed_positions")
"""Endings of buffers that old checkpoints carry beside their weights; they are computed, not learned."""


def weights_bytes(config: ModelConfig, dtype: str, *, quantize: str = "none") -> int:
    """Bytes of the weights in memory. int8 means a byte in the matrices, two in the embedding, `dtype` elsewhere."""
    total = 0
    for name, shape in parameter_shapes(config).items():
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
