"""The shape of a CodeGen model, read from a checkpoint's config.json or one of those published, its tensors by
transformers' names, and what they weigh. Pure arithmetic: no torch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod

BYTES_PER_VALUE = {"float32": 4, "bfloat16": 2, "float16": 2}
SIZES = {
    # n_embd, n_layer, n_head, rotary_dim
    "350M": (1024, 20, 16, 32),
    "2B": (2560, 32, 32, 64),
    "6B": (4096, 33, 16, 64),
    "16B": (6144, 34, 24, 64),
}
"""What Salesforce published, each as nl, multi and mono; the downloads are fp16."""


@dataclass(frozen=True)
class ModelConfig:
    """CodeGen's hyperparameters by the names of its config.json.

    Raises `ValueError`, naming the field, where they contradict each other.
    """

    vocab_size: int
    n_positions: int
    n_embd: int
    n_layer: int
    n_head: int
    rotary_dim: int
    n_inner: int | None = None
    layer_norm_epsilon: float = 1e-5
    eos_token_id: int | None = 50256

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.n_head % 4:
            raise ValueError(f"n_head is {self.n_head}; CodeGen's qkv layout needs a multiple of 4")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is no multiple of n_head {self.n_head}")
        if self.rotary_dim % 2 or not 0 < self.rotary_dim <= self.head_dim:
            raise ValueError(f"rotary_dim is {self.rotary_dim}; it must be even, from 2 to the head's {self.head_dim}")

    @property
    def head_dim(self) -> int:
        return self.n_embd // self.n_head

    @property
    def inner(self) -> int:
        return self.n_inner or 4 * self.n_embd

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> ModelConfig:
        """From a parsed config.json. Raises `ValueError` if it is not CodeGen's or lacks a field."""
        if values.get("model_type") != "codegen":
            raise ValueError(f"model_type is {values.get('model_type')!r}, not 'codegen'")
        known = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        missing = [name for name in ("vocab_size", "n_embd", "n_layer", "n_head", "rotary_dim") if name not in known]
        if missing:
            raise ValueError(f"config.json lacks {', '.join(missing)}")
        known.setdefault("n_positions", values.get("n_ctx", 2048))
        return cls(**known)  # type: ignore[arg-type]


def shape_of(size: str) -> ModelConfig:
    """The configuration of a published size (`"350M"`, `"2B"`, `"6B"`, `"16B"`)."""
    width, layers, heads, rotary = SIZES[size]
    return ModelConfig(
        vocab_size=51_200, n_positions=2048, n_embd=width, n_layer=layers, n_head=heads, rotary_dim=rotary
    )


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
