"""The two decoders, the interface that they share, and which of them runs a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel
from codegen_ui.engine.model.layout import Segment
from codegen_ui.engine.native.compiled import is_kept, obstacle

logger = logging.getLogger(__name__)

COMPILING = "compiling the kernels for this CPU, which is done once"


class Cache(Protocol):
    """Keys and values of every stream, in slots; `KVCache` says what each part does."""

    slots: int
    length: int

    @property
    def bytes_per_token(self) -> int: ...

    @property
    def bytes(self) -> int: ...

    def copy(self, source: int, target: int, tokens: int) -> None: ...

    def clear(self, slot: int, start: int, stop: int) -> None: ...

    def release(self, slot: int) -> None: ...


class Decoder(Protocol):
    """A CodeGen and its caches; `CodeGenModel` says what each part is."""

    config: ModelConfig
    device: torch.device
    dtype: torch.dtype
    quantize: str
    parameters: int

    @property
    def weights_bytes(self) -> int: ...

    @property
    def batch_invariant(self) -> bool:
        """Whether a row's logits are a function of its own tokens alone, bit for bit, whatever shares its step."""
        ...

    def token_bytes(self) -> int:
        """Bytes that a token takes in a cache."""
        ...

    def new_cache(self, slots: int, length: int | None = None) -> Cache: ...

    def step(self, segments: Sequence[Segment], cache: Any) -> Tensor: ...


def why_not_native(config: ModelConfig, device: torch.device, dtype: torch.dtype, quantize: str) -> str | None:
    """Why the compiled decoder does not run this, in words that follow 'because'; None where it does."""
    if device.type != "cpu" or quantize != "int8":
        return "it is for int8 on a CPU"
    if dtype != torch.float32:
        return "it computes in float32 beside its 8-bit weights"
    return obstacle(config)


def load_decoder(
    config: ModelConfig,
    weights: Mapping[str, Tensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
    quantize: str,
    progress: Callable[[int, int], None] | None = None,
    compiling: Callable[[str], None] | None = None,
) -> Decoder:
    """The compiled decoder where it can run, PyTorch's operators elsewhere.

    `compiling` is called with a line for people before what may take ten seconds. Raises as `CodeGenModel`.
    """
    reason = why_not_native(config, device, dtype, quantize)
    if reason is None:
        from codegen_ui.engine.native.model import NativeModel

        if compiling is not None and not is_kept():
            compiling(COMPILING)
        return NativeModel(config, weights, progress=progress)
    if quantize == "int8":
        logger.warning("int8 runs on PyTorch's operators, slower and not bit for bit alike in any company: %s", reason)
    return CodeGenModel(config, weights, device=device, dtype=dtype, quantize=quantize, progress=progress)
