"""From a checkpoint's tensors to the decoder's: CodeGen's layout undone, row by row checked.

Reads each tensor once and converts it at once, so that beside the finished layers only one layer's parts exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from codegen_ui.engine.model.config import ModelConfig, parameter_count, parameter_shapes

MP_NUM = 4
"""CodeGen was trained on four model-parallel shards; `qkv_proj` keeps their order."""


@dataclass(frozen=True)
class LayerWeights:
    """One layer, with what shares an input or an output stacked.

    Attributes:
        norm_weight, norm_bias: of the one LayerNorm, `[n_embd]`.
        in_weight, in_bias: rows v, k, q, then fc_in: `[3 * n_embd + inner, n_embd]`, `[3 * n_embd + inner]`.
        out_weight, out_bias: columns out_proj, then fc_out: `[n_embd, n_embd + inner]`, `[n_embd]`.
    """

    norm_weight: Tensor
    norm_bias: Tensor
    in_weight: Tensor
    in_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor


class WeightReader:
    """Reads checked tensors from a lazy mapping and reports how far it is."""

    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """`progress(done, total)` is called after each tensor, in bytes at `dtype`."""
        self._config = config
        self._weights = weights
        self._shapes = parameter_shapes(config)
        self._device = device
        self._dtype = dtype
        self._progress = progress
        self._done = 0
        self._total = parameter_count(config) * dtype.itemsize

    def tensor(self, name: str, *, dtype: torch.dtype | None = None) -> Tensor:
        """One tensor on the device. Raises `ValueError`, naming it, where it is missing or misshapen."""
        try:
            source = self._weights[name]
        except KeyError as error:
            raise ValueError(f"the checkpoint has no tensor {name}") from error
        shape = self._shapes[name]
        if tuple(source.shape) != shape:
            raise ValueError(f"tensor {name} has shape {tuple(source.shape)}; the config asks for {shape}")
        self._done += source.numel() * self._dtype.itemsize
        if self._progress is not None:
            self._progress(self._done, self._total)
        return source.to(device=self._device, dtype=dtype or self._dtype)

    def layers(self) -> Iterator[LayerWeights]:
        for i in range(self._config.n_layer):
            yield self._layer(f"transformer.h.{i}.")

    def _layer(self, h: str) -> LayerWeights:
        d, inner = self._config.n_embd, self._config.inner
        in_weight = self._empty(3 * d + inner, d)
        shards = self.tensor(h + "attn.qkv_proj.weight").view(MP_NUM, 3, d // MP_NUM, d)
        query, value, key = shards.unbind(1)  # v before k: this is the checkpoint's order
        for index, part in enumerate((value, key, query)):
            in_weight[index * d : (index + 1) * d].view(MP_NUM, d // MP_NUM, d).copy_(part)
        del shards, query, value, key
        in_weight[3 * d :].copy_(self.tensor(h + "mlp.fc_in.weight"))
        in_bias = torch.zeros(3 * d + inner, device=self._device, dtype=self._dtype)
        in_bias[3 * d :].copy_(self.tensor(h + "mlp.fc_in.bias"))
        out_weight = self._empty(d, d + inner)
        out_weight[:, :d].copy_(self.tensor(h + "attn.out_proj.weight"))
        out_weight[:, d:].copy_(self.tensor(h + "mlp.fc_out.weight"))
        return LayerWeights(
            norm_weight=self.tensor(h + "ln_1.weight"),
            norm_bias=self.tensor(h + "ln_1.bias"),
            in_weight=in_weight,
            in_bias=in_bias,
            out_weight=out_weight,
            out_bias=self.tensor(h + "mlp.fc_out.bias"),
        )

    def _empty(self, rows: int, columns: int) -> Tensor:
        return torch.empty(rows, columns, device=self._device, dtype=self._dtype)


class RandomWeights(Mapping[str, Tensor]):
    """Seeded random tensors in a config's shapes, made at each look-up: a checkpoint without a file, for measuring."""

    def __init__(self, config: ModelConfig, seed: int = 0, *, std: float = 0.02) -> None:
        self._shapes = parameter_shapes(config)
        self._seed = seed
        self._std = std

    def __getitem__(self, name: str) -> Tensor:
        index = list(self._shapes).index(name) if name in self._shapes else None
        if index is None:
            raise KeyError(name)
        if name.endswith(("ln_1.weight", "ln_f.weight")):
            return torch.ones(self._shapes[name])
        generator = torch.Generator().manual_seed(self._seed * 100_003 + index)
        return torch.randn(self._shapes[name], generator=generator) * self._std

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)
