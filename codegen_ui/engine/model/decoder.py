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

from codegen_ui.engine.kv.cache import CacheWrites, KVCache
from codegen_ui.engine.model.attention import Attention, attention_of
from codegen_ui.engine.model.config import ModelConfig, parameter_count
from codegen_ui.engine.model.layout import Segment, lay_out
from codegen_ui.engine.model.linear import Linear, gelu_tanh_, make_linear
from codegen_ui.engine.model.rotary import Rotary, Rotation
from codegen_ui.engine.model.weights import LayerWeights, WeightReader

__all__ = ["CodeGenModel", "Segment"]

CPU_CALL_TOKENS = 64
GPU_CALL_TOKENS = 8192
"""Positions of attention that cost as much as one more call: few where a call is cheap, many where it is a launch."""
GPU_LENGTHS = 8
"""Lengths of masks are multiples of it, as the fused kernels want them."""


@dataclass(frozen=True)
class Layer:
    """One parallel block, ready to run."""

    norm_weight: Tensor
    norm_bias: Tensor
    inputs: Linear
    outputs: Linear


@dataclass(frozen=True)
class StepTensors:
    """A step on the device, and the buffer through which every layer passes, with the views of it that they use.

    Attributes:
        projected: the buffer `[rows, n_embd * 3 + inner]`: values, keys, queries and the MLP's hidden units of a row.
        attended: its queries, which the attention's result replaces, and hidden units: the output projection's input.
        units: its hidden units alone.
        rotation: turns its keys and queries.
        writes: takes a layer's keys and values to the cache.
        logits: rows that the last layer must finish, all of them where it is None.
    """

    projected: Tensor
    attended: Tensor
    units: Tensor
    rotation: Rotation
    writes: CacheWrites
    attentions: tuple[Attention, ...]
    logits: Tensor | None


class CodeGenModel:
    """The decoder's weights and its one method, `step`.

    Attributes:
        dtype: of weights, activations and KV cache; with int8 the linear layers' weights are 8-bit instead.
        quantize: "none" or "int8".
        parameters: how many the checkpoint has.
        weights_bytes: what they take at rest.
    """

    @torch.inference_mode()
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
        """Take the weights from a mapping by transformers' names, each looked up once; other names are left alone.

        `progress(done, total)` counts bytes at `dtype`. Raises `ValueError` naming a tensor that is missing or
        misshapen, `InvalidInput` where `quantize` is not possible on this device.
        """
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

    @property
    def weights_bytes(self) -> int:
        dense = [self._embedding, self._norm_weight, self._norm_bias]
        dense += [tensor for layer in self._layers for tensor in (layer.norm_weight, layer.norm_bias)]
        linear = [self._head] + [part for layer in self._layers for part in (layer.inputs, layer.outputs)]
        return sum(t.numel() * t.element_size() for t in dense) + sum(part.bytes for part in linear)

    @property
    def batch_invariant(self) -> bool:
        """Whether a row's logits are the same bits in any company. Attention over float32 keys is called for many slots
        together, and its sums depend in their last bits on which; other devices' kernels on how many rows there are."""
        return False

    def token_bytes(self) -> int:
        """Bytes that a token takes in a cache."""
        return KVCache.token_bytes(self.config, self.dtype)

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
        plan = lay_out(
            segments,
            slots=cache.slots,
            length=cache.length,
            vocabulary=self.config.vocab_size,
            call_tokens=CPU_CALL_TOKENS if self.device.type == "cpu" else GPU_CALL_TOKENS,
            round_to=1 if self.device.type == "cpu" else GPU_LENGTHS,
        )
        # One copy to the device, from memory that nobody has to wait for.
        numbers = torch.tensor((*plan.tokens, *plan.positions, *plan.slots, *plan.logits), dtype=torch.int64)
        if self.device.type == "cuda":
            numbers = numbers.pin_memory()
        count = len(plan.tokens)
        sizes = (count, count, count, len(plan.logits))
        tokens, positions, slots, logits = numbers.to(self.device, non_blocking=True).split_with_sizes(sizes)
        spans = [span for group in plan.groups for span in group.spans]
        tensors = self.bind(
            positions,
            lambda queries: tuple(attention_of(group, queries, positions, cache) for group in plan.groups),
            lambda value_key: cache.writes(value_key, spans, slots, positions),
            None if plan.logits == tuple(range(count)) else logits,
        )
        return self.forward(tokens, tensors).float()

    def bind(
        self,
        positions: Tensor,
        attentions: Callable[[Tensor], tuple[Attention, ...]],
        writes: Callable[[Tensor], CacheWrites],
        logits: Tensor | None = None,
    ) -> StepTensors:
        """A buffer for rows at these `positions` `[rows]`, with its views given to what works on them: the queries
        `[rows, n_head, head_dim]` to `attentions`, values and keys `[rows, 2, n_head, head_dim]` to `writes`."""
        d, heads, rows = self.config.n_embd, self.config.n_head, positions.shape[0]
        projected = torch.empty(rows, 3 * d + self.config.inner, device=self.device, dtype=self.dtype)
        value_key = projected[:, : 2 * d].view(rows, 2, heads, -1)
        key_query = projected[:, d : 3 * d].view(rows, 2 * heads, -1)
        return StepTensors(
            projected,
            attended=projected[:, 2 * d :],
            units=projected[:, 3 * d :],
            rotation=self._rotary.bind(key_query, positions),
            writes=writes(value_key),
            attentions=attentions(key_query[:, heads:]),
            logits=logits,
        )

    def forward(self, tokens: Tensor, tensors: StepTensors) -> Tensor:
        """Logits of the rows wanted, in the model's dtype, of `tokens` int64 `[rows]` that `tensors` was bound for."""
        hidden = functional.embedding(tokens, self._embedding).to(self.dtype)
        for index in range(len(self._layers)):
            hidden = self._block(index, hidden, tensors)
        return self._head(self._norm(hidden, self._norm_weight, self._norm_bias))

    def _block(self, index: int, hidden: Tensor, tensors: StepTensors) -> Tensor:
        """One layer: `hidden` `[rows, n_embd]` is changed in place and returned, by the last only its rows wanted."""
        layer = self._layers[index]
        layer.inputs(self._norm(hidden, layer.norm_weight, layer.norm_bias), out=tensors.projected)
        tensors.rotation()
        tensors.writes(index)
        for attention in tensors.attentions:
            attention.attend(index)
        attended, units = tensors.attended, tensors.units
        if tensors.logits is not None and index == len(self._layers) - 1:
            hidden, attended = hidden[tensors.logits], attended[tensors.logits]
            units = attended[:, self.config.n_embd :]
        gelu_tanh_(units)
        return hidden.add_(layer.outputs(attended))

    def _norm(self, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.layer_norm(hidden, (self.config.n_embd,), weight, bias, self.config.layer_norm_epsilon)

    def _layer(self, weights: LayerWeights) -> Layer:
        return Layer(
            weights.norm_weight,
            weights.norm_bias,
            make_linear(weights.in_weight, weights.in_bias, quantize=self.quantize),
            make_linear(weights.out_weight, weights.out_bias, quantize=self.quantize),
        )
