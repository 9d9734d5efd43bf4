"""The tensors of a CodeGen checkpoint, by transformers' names. Pure arithmetic: no torch here."""

from __future__ import annotations

from math import prod

from codegen_ui.engine.model.config import ModelConfig


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
