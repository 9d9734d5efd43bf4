"""CodeGen's forward pass on a slot KV cache.

`step` takes any mix of prefill chunks, decode steps and drafts to verify, of as many slots as there are, and computes
them in one pass over the weights. It agrees with transformers' `CodeGenForCausalLM` to rounding. The block is parallel,
`h + attn(ln(h)) + mlp(ln(h))`, so what shares an input (qkv and fc_in) is one matmul, and what adds into one output
(out_proj and fc_out) another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from codegen_ui.engine.config import ModelConfig
from codegen_ui.engine.kv_cache import KVCache
from codegen_ui.engine.linear import Linear, make_linear
from codegen_ui.engine.plan import AttentionGroup, Segment, StepPlan, plan_step
from codegen_ui.engine.rotary import Rotary
from codegen_ui.engine.shapes import parameter_count
from codegen_ui.engine.weights import LayerWeights, RandomWeights, WeightReader

__all__ = ["CodeGenModel", "Segment"]

CPU_CALL_TOKENS = 64
GPU_CALL_TOKENS = 8192
"""Positions of attention that cost as much as one more call: few where a call is cheap, many where it is a launch."""


@dataclass(frozen=True)
class Layer:
    """One parallel block, ready to run."""

    norm_weight: Tensor
    norm_bias: Tensor
    inputs: Linear
    outputs: Linear


@dataclass(frozen=True)
class StepTensors:
    """A plan's index tensors on the device."""

    positions: Tensor
    slots: Tensor
    rotations: Tensor
    masks: tuple[Tensor | None, ...]


class CodeGenModel:
    """The decoder's weights and its one method, `step`.

    Attributes:
        dtype: of weights, activations and KV cache; with int8 the linear layers' weights are 8-bit instead.
        quantize: "none" or "int8".
        parameters: how many the checkpoint has.
        weights_bytes: what they take at rest.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
        quantize: str = "none",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.config = config
        self.device = device
        self.dtype = dtype
        self.quantize = quantize
        self.parameters = parameter_count(config)
        reader = WeightReader(config, weights, device=device, dtype=dtype, progress=progress)
        self._embedding = reader.tensor("transformer.wte.weight", dtype=torch.float16 if quantize == "int8" else dtype)
        self._layers = [self._layer(layer) for layer in reader.layers()]
        self._norm_weight = reader.tensor("transformer.ln_f.weight")
        self._norm_bias = reader.tensor("transformer.ln_f.bias")
        head = reader.tensor("lm_head.weight")
        self._head = make_linear(head, reader.tensor("lm_head.bias"), quantize=quantize)
        self._rotary = Rotary(config, device, dtype)

    @classmethod
    def load(
        cls,
        config: ModelConfig,
        weights: Mapping[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
        quantize: str = "none",
        progress: Callable[[int, int], None] | None = None,
    ) -> CodeGenModel:
        """Take the weights from a mapping by transformers' names, each looked up once; other names are left alone.

        `progress(done, total)` counts bytes at `dtype`. Raises `ValueError` naming a tensor that is missing or
        misshapen, `InvalidInput` where `quantize` is not possible on this device.
        """
        with torch.inference_mode():
            return cls(config, weights, device=device, dtype=dtype, quantize=quantize, progress=progress)

    @classmethod
    def random(
        cls,
        config: ModelConfig,
        seed: int = 0,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        quantize: str = "none",
    ) -> CodeGenModel:
        """Random weights in a config's shape, for benchmarks and tests."""
        device = device or torch.device("cpu")
        return cls.load(config, RandomWeights(config, seed), device=device, dtype=dtype, quantize=quantize)

    @property
    def weights_bytes(self) -> int:
        dense = [self._embedding, self._norm_weight, self._norm_bias]
        dense += [tensor for layer in self._layers for tensor in (layer.norm_weight, layer.norm_bias)]
        linear = [self._head] + [part for layer in self._layers for part in (layer.inputs, layer.outputs)]
        return sum(t.numel() * t.element_size() for t in dense) + sum(part.bytes for part in linear)

    def new_cache(self, slots: int, length: int | None = None) -> KVCache:
        """Room for `slots` streams of up to `length` tokens (the model's context by default)."""
        length = self.config.n_positions if length is None else length
        return KVCache(self.config, slots, length, device=self.device, dtype=self.dtype)

    @torch.inference_mode()
    def step(self, segments: Sequence[Segment], cache: KVCache) -> Tensor:
        """Run the segments' tokens, at most one segment a slot, and write their keys and values into `cache`.

        Returns fp32 logits `[sum of segment.logits, vocab_size]` on the model's device, in the order of the segments
        and, within one, of its last positions. Raises `ValueError` before anything is computed where a segment does
        not fit the cache or the vocabulary.
        """
        plan = plan_step(
            segments,
            slots=cache.slots,
            length=cache.length,
            vocabulary=self.config.vocab_size,
            call_tokens=CPU_CALL_TOKENS if self.device.type == "cpu" else GPU_CALL_TOKENS,
        )
        rows = torch.tensor((plan.tokens, plan.positions, plan.slots), dtype=torch.int64).to(self.device)
        tensors = StepTensors(
            positions=rows[1],
            slots=rows[2],
            rotations=self._rotary.at(rows[1]),
            masks=tuple(self._mask(group, rows[1]) for group in plan.groups),
        )
        hidden = functional.embedding(rows[0], self._embedding).to(self.dtype)
        for layer, kv in zip(self._layers, cache.data, strict=True):
            hidden = self._block(layer, hidden, kv, plan, tensors)
        if plan.logits != tuple(range(len(plan.tokens))):
            hidden = hidden[torch.tensor(plan.logits, dtype=torch.int64).to(self.device)]
        return self._head(self._norm(hidden, self._norm_weight, self._norm_bias)).float()

    def _block(self, layer: Layer, hidden: Tensor, kv: Tensor, plan: StepPlan, tensors: StepTensors) -> Tensor:
        """One layer; `kv` `[slots, 2, heads, length, head_dim]` is its part of the cache."""
        d, heads = self.config.n_embd, self.config.n_head
        projected = layer.inputs(self._norm(hidden, layer.norm_weight, layer.norm_bias))
        rows = projected.shape[0]
        value_key = projected[:, : 2 * d].view(rows, 2, heads, -1)
        key_query = projected[:, d : 3 * d].view(rows, 2 * heads, -1)
        query = projected[:, 2 * d : 3 * d].view(rows, heads, -1)
        self._rotary.rotate_(key_query, tensors.rotations)
        if len(plan.groups) == 1 and plan.groups[0].slots == 1:
            group = plan.groups[0]
            kv[group.slot, :, :, group.length - group.tokens : group.length].copy_(value_key.permute(1, 2, 0, 3))
        else:
            kv[tensors.slots, :, :, tensors.positions] = value_key
        for group, mask in zip(plan.groups, tensors.masks, strict=True):
            self._attend(group, mask, query, kv)
        # The attention's result has taken the query's place, next to the MLP's hidden units: together they are
        # the input of the stacked output projection.
        mlp = projected[:, 3 * d :]
        torch.ops.aten.gelu_(mlp, approximate="tanh")
        return hidden.add_(layer.outputs(projected[:, 2 * d :]))

    def _attend(self, group: AttentionGroup, mask: Tensor | None, query: Tensor, kv: Tensor) -> None:
        """Replace a group's queries by the attention's result.

        Half precision: every fused kernel of `scaled_dot_product_attention` (CPU, CUDA, ROCm, MPS) and the math
        fallback for CUDA accumulate QK^T and the softmax in fp32, so scores over fp16's 65504 do not overflow.
        """
        slots = slice(group.slot, group.slot + group.slots)
        rows = query[group.rows].view(group.slots, group.tokens, *query.shape[1:])
        result = functional.scaled_dot_product_attention(
            rows.transpose(1, 2),
            kv[slots, 1, :, : group.length],
            kv[slots, 0, :, : group.length],
            attn_mask=mask,
            is_causal=group.causal,
        )
        rows.copy_(result.transpose(1, 2))

    def _mask(self, group: AttentionGroup, positions: Tensor) -> Tensor | None:
        """What to add to a group's scores, `[slots, 1, tokens, length]`: 0 where a row may look, else -inf."""
        if not group.needs_mask:
            return None
        last = positions[group.rows].view(group.slots, 1, group.tokens, 1)
        hidden = torch.arange(group.length, device=self.device) > last
        return torch.zeros(hidden.shape, device=self.device, dtype=self.dtype).masked_fill_(hidden, float("-inf"))

    def _norm(self, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.layer_norm(hidden, (self.config.n_embd,), weight, bias, self.config.layer_norm_epsilon)

    def _layer(self, weights: LayerWeights) -> Layer:
        return Layer(
            weights.norm_weight,
            weights.norm_bias,
            make_linear(weights.in_weight, weights.in_bias, quantize=self.quantize),
            make_linear(weights.out_weight, weights.out_bias, quantize=self.quantize),
        )
