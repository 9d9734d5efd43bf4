"""The shape of a CodeGen model, read from a checkpoint's config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


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
