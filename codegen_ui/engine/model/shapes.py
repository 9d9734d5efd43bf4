"""The tensors of a CodeGen checkpoint, by transformers' names, and what they weigh. Pure arithmetic: no torch here."""

from __future__ import annotations

from math import prod

from codegen_ui.engine.model.config import ModelConfig

BYTES_PER_VALUE = {"float32": 4, "bfloat16": 2, "float16": 2}


def parameter_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor that a checkpoint must have, in the model's order."""
    d, inner = config.n_embd, config.inner
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (config.vocab_size, d)}
    for i in range(config.n_layer):
        h = f"transformer.h.{i}."
        shapes[h + "ln_1.weight"] = shapes[h + "ln_1.bias"] = (d,)
        shapes[h + "attn.qkv_proj.weight"] = (3 * d, d)
        shapes[h + "attn.out_proj.weight"] = (d, d)
        shapes[h + "mlp.fc_in.weight"], shapes[h + "mlp.fc_in.bias"] = (inner, d), (inner,)
        shapes[h + "mlp.fc_out.weight"], shapes[h + "mlp.fc_out.bias"] = (d, inner), (d,)
    shapes["transformer.ln_f.weight"] = shapes["transformer.ln_f.bias"] = (d,)
    shapes["lm_head.weight"], shapes["lm_head.bias"] = (config.vocab_size, d), (config.vocab_size,)
    return shapes


def parameter_count(config: ModelConfig) -> int:
    return sum(prod(shape) for shape in parameter_shapes(config).values())


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
