"""A CodeGen forward made for training: no cache, fused attention, few and large matmuls.

The mathematics is transformers' `CodeGenForCausalLM`; only the layout of the weights differs, and
`to_codegen_state` / `load_codegen_state` translate.  A test compares the losses of the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MP_BLOCKS = 4  # CodeGen shards qkv rows over four blocks of [q | v | k], whatever the device count


@dataclass(frozen=True)
class Shape:
    """Hyperparameters that fix every tensor's shape."""

    vocab_size: int
    n_embd: int = 320
    n_layer: int = 6
    n_head: int = 4
    rotary_dim: int = 32
    n_positions: int = 2048
    layer_norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.n_embd % self.n_head or self.n_head % MP_BLOCKS:
            raise ValueError(f"n_head {self.n_head} must divide n_embd {self.n_embd} and be a multiple of {MP_BLOCKS}")
        if self.rotary_dim % 2 or self.rotary_dim > self.n_embd // self.n_head:
            raise ValueError(f"rotary_dim {self.rotary_dim} must be even and at most the head size")


def rotary_tables(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine, fp32 [length, head_dim]; dimensions past rotary_dim get 1 and 0."""
    head_dim = shape.n_embd // shape.n_head
    frequency = 10000.0 ** (-torch.arange(0, shape.rotary_dim, 2).float() / shape.rotary_dim)
    angle = torch.outer(torch.arange(length).float(), frequency).repeat_interleave(2, dim=-1)
    cos, sin = torch.ones(length, head_dim), torch.zeros(length, head_dim)
    cos[:, : shape.rotary_dim], sin[:, : shape.rotary_dim] = angle.cos(), angle.sin()
    return cos, sin


def rotate_every_two(x: Tensor) -> Tensor:
    """(a, b) -> (-b, a) on interleaved pairs of the last dimension."""
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    return torch.stack((-pairs[..., 1], pairs[..., 0]), dim=-1).flatten(-2)


class Block(nn.Module):
    """CodeGen's parallel block: h + attention(ln(h)) + mlp(ln(h)), with one shared LayerNorm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.n_embd
        self.n_head = shape.n_head
        self.ln = nn.LayerNorm(d, eps=shape.layer_norm_epsilon)
        self.qkv = nn.Parameter(torch.randn(3, d, d) * 0.5 / math.sqrt(d))  # q, k, v
        self.fc_in = nn.Parameter(torch.randn(4 * d, d) * 0.5 / math.sqrt(d))
        self.fc_in_bias = nn.Parameter(torch.zeros(4 * d))
        self.out_proj = nn.Parameter(torch.zeros(d, d))  # zero: every block starts as the identity
        self.fc_out = nn.Parameter(torch.zeros(d, 4 * d))
        self.fc_out_bias = nn.Parameter(torch.zeros(d))

    def forward(self, h: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """[batch, length, d] -> the same shape; cos and sin are [length, head_dim]."""
        batch, length, d = h.shape
        x = self.ln(h)
        stacked = torch.cat((self.qkv.flatten(0, 1), self.fc_in))
        bias = torch.cat((self.fc_in_bias.new_zeros(3 * d), self.fc_in_bias))
        qkv, hidden = torch.split(F.linear(x, stacked, bias), [3 * d, 4 * d], dim=-1)
        q, k, v = qkv.view(batch, length, 3, self.n_head, -1).permute(2, 0, 3, 1, 4)
        q = q * cos + rotate_every_two(q) * sin
        k = k * cos + rotate_every_two(k) * sin
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        joined = torch.cat((mixed, F.gelu(hidden, approximate="tanh")), dim=-1)
        update = F.linear(joined, torch.cat((self.out_proj, self.fc_out), dim=1), self.fc_out_bias)
        return h + update


class TrainingModel(nn.Module):
    """Token ids [batch, length] -> logits [batch, length, vocab] (fp32)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.wte = nn.Embedding(shape.vocab_size, shape.n_embd)
        nn.init.normal_(self.wte.weight, std=0.3)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layer))
        self.ln_f = nn.LayerNorm(shape.n_embd, eps=shape.layer_norm_epsilon)
        self.lm_head = nn.Linear(shape.n_embd, shape.vocab_size)
        nn.init.zeros_(self.lm_head.weight)
        nn.init.zeros_(self.lm_head.bias)
        cos, sin = rotary_tables(shape, shape.n_positions)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Raises IndexError when the sequence is longer than n_positions."""
        length = ids.shape[1]
        if length > self.shape.n_positions:
            raise IndexError(f"{length} tokens, but the context is {self.shape.n_positions}")
        cos, sin = self.get_buffer("cos")[:length], self.get_buffer("sin")[:length]
        h: Tensor = self.wte(ids)
        for block in self.blocks:
            h = block(h, cos, sin)
        logits: Tensor = self.lm_head(self.ln_f(h))
        return logits

    def loss(self, ids: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean cross entropy in nats of ids[:, 1:] given what precedes them, weighted where there are weights.

        Both are [batch, length + 1].
        """
        logits = self(ids[:, :-1])
        if weights is None:
            return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        each = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        counted = weights[:, 1:].flatten()
        return (each * counted).sum() / counted.sum()


def to_codegen_state(model: TrainingModel) -> dict[str, Tensor]:
    """The weights under transformers' names, qkv rows in CodeGen's blocks of [q | v | k]."""
    d = model.shape.n_embd
    state = {
        "transformer.wte.weight": model.wte.weight,
        "transformer.ln_f.weight": model.ln_f.weight,
        "transformer.ln_f.bias": model.ln_f.bias,
        "lm_head.weight": model.lm_head.weight,
        "lm_head.bias": model.lm_head.bias,
    }
    for index, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        q, k, v = (part.view(MP_BLOCKS, d // MP_BLOCKS, d) for part in block.qkv)
        prefix = f"transformer.h.{index}."
        state[prefix + "attn.qkv_proj.weight"] = torch.stack((q, v, k), dim=1).reshape(3 * d, d)
        state[prefix + "attn.out_proj.weight"] = block.out_proj
        state[prefix + "mlp.fc_in.weight"] = block.fc_in
        state[prefix + "mlp.fc_in.bias"] = block.fc_in_bias
        state[prefix + "mlp.fc_out.weight"] = block.fc_out
        state[prefix + "mlp.fc_out.bias"] = block.fc_out_bias
        state[prefix + "ln_1.weight"] = block.ln.weight
        state[prefix + "ln_1.bias"] = block.ln.bias
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def load_codegen_state(model: TrainingModel, state: Mapping[str, Tensor]) -> None:
    """Take over weights under transformers' names: the inverse of `to_codegen_state`.

    A model of more layers than the state has computes the same at first: its further layers, spread evenly among the
    others, keep the zero outputs that they were made with.

    Raises:
        ValueError: the state has more layers than the model, or another width or vocabulary.
    """
    d = model.shape.n_embd
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("transformer.h."))
    if layers > model.shape.n_layer:
        raise ValueError(f"{layers} layers do not fit into {model.shape.n_layer}")
    if state["transformer.wte.weight"].shape != model.wte.weight.shape:
        raise ValueError(f"an embedding of {tuple(state['transformer.wte.weight'].shape)}, not {model.shape}")
    with torch.no_grad():
        model.wte.weight.copy_(state["transformer.wte.weight"])
        for name, module in (("transformer.ln_f", model.ln_f), ("lm_head", model.lm_head)):
            module.weight.copy_(state[f"{name}.weight"])
            module.bias.copy_(state[f"{name}.bias"])
        for index in range(layers):
            block = model.blocks[(index + 1) * model.shape.n_layer // layers - 1]
            assert isinstance(block, Block)
            prefix = f"transformer.h.{index}."
            qvk = state[prefix + "attn.qkv_proj.weight"].view(MP_BLOCKS, 3, d // MP_BLOCKS, d)
            block.qkv.copy_(qvk[:, [0, 2, 1]].transpose(0, 1).reshape(3, d, d))
            block.out_proj.copy_(state[prefix + "attn.out_proj.weight"])
            for part in ("fc_in", "fc_out"):
                getattr(block, part).copy_(state[f"{prefix}mlp.{part}.weight"])
                getattr(block, f"{part}_bias").copy_(state[f"{prefix}mlp.{part}.bias"])
            block.ln.weight.copy_(state[prefix + "ln_1.weight"])
            block.ln.bias.copy_(state[prefix + "ln_1.bias"])
