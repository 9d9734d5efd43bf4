"""The twelve CodeGen models that Salesforce published, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass

from codegen_ui.engine.model.config import ModelConfig, kv_bytes_per_token, parameter_count, weights_bytes


@dataclass(frozen=True)
class KnownModel:
    """A published model. The download is fp16; bytes follow from the shape."""

    name: str
    config: ModelConfig

    @property
    def parameters(self) -> int:
        return parameter_count(self.config)

    def weights_bytes(self, dtype: str, *, quantize: str = "none") -> int:
        return weights_bytes(self.config, dtype, quantize=quantize)

    def kv_bytes_per_token(self, dtype: str) -> int:
        return kv_bytes_per_token(self.config, dtype)


SIZES = {
    # n_embd, n_layer, n_head, rotary_dim
    "350M": (1024, 20, 16, 32),
    "2B": (2560, 32, 32, 64),
    "6B": (4096, 33, 16, 64),
    "16B": (6144, 34, 24, 64),
}
VARIANTS = ("nl", "multi", "mono")


def shape_of(size: str) -> ModelConfig:
    """The configuration of a published size (`"350M"`, `"2B"`, `"6B"`, `"16B"`)."""
    width, layers, heads, rotary = SIZES[size]
    return ModelConfig(
        vocab_size=51_200, n_positions=2048, n_embd=width, n_layer=layers, n_head=heads, rotary_dim=rotary
    )


KNOWN_MODELS = tuple(
    KnownModel(f"Salesforce/codegen-{size}-{variant}", shape_of(size)) for size in SIZES for variant in VARIANTS
)
