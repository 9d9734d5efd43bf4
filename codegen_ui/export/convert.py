"""The conversion itself: names, shapes and values of GPT-J's tensors from CodeGen's.

The two architectures compute the same function (parallel block, one LayerNorm, interleaved rotary, gelu_new); they
differ in how the attention's projections are stored. CodeGen's `qkv_proj` keeps the layout of the four model-parallel
shards it was trained on: four blocks of rows, each q, then v, then k. GPT-J has three matrices with heads in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING

from codegen_ui.engine.model.config import ModelConfig, parameter_shapes

if TYPE_CHECKING:
    import torch

SHARDS = 4
QKV = ".qkv_proj.weight"
PARTS = ("q_proj", "v_proj", "k_proj")
"""In the order in which CodeGen stores them."""


def gptj_config(config: ModelConfig, dtype: str) -> dict[str, object]:
    """GPT-J's config.json. CodeGen's `bos_token_id` is left behind: some published ones are wrong."""
    return {
        "architectures": ["GPTJForCausalLM"],
        "model_type": "gptj",
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": config.n_inner,
        "rotary_dim": config.rotary_dim,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": config.eos_token_id,
        "eos_token_id": config.eos_token_id,
        "tie_word_embeddings": False,
        "use_cache": True,
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def gptj_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of the converted checkpoint, in the order in which they are written."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in parameter_shapes(config).items():
        if name.endswith(QKV):
            shapes |= {name.replace("qkv_proj", part): (config.n_embd, config.n_embd) for part in PARTS}
        else:
            shapes[name] = shape
    return shapes


def converted(weights: Mapping[str, torch.Tensor], names: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """The named GPT-J tensors, one at a time, contiguous, in the source's dtype."""
    for name in names:
        part = next((part for part in PARTS if f".{part}." in name), None)
        if part is None:
            yield name, weights[name]
        else:
            yield name, projection(weights[name.replace(part, "qkv_proj")], PARTS.index(part))


def projection(qkv: torch.Tensor, part: int) -> torch.Tensor:
    """`[3 * n_embd, n_embd]` of CodeGen -> `[n_embd, n_embd]`, a copy; `part` is 0 for q, 1 for v, 2 for k."""
    width = qkv.shape[1]
    return qkv.view(SHARDS, 3, width // SHARDS, width)[:, part].reshape(width, width).clone()


def plan_shards(shapes: Mapping[str, tuple[int, ...]], item_bytes: int, max_bytes: int) -> list[list[str]]:
    """Names grouped, in order, into files of at most `max_bytes` (a tensor larger than that has a file of its own)."""
    shards: list[list[str]] = [[]]
    used = 0
    for name, shape in shapes.items():
        size = prod(shape) * item_bytes
        if shards[-1] and used + size > max_bytes:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += size
    return shards
