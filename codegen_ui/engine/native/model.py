"""CodeGen in int8 on a CPU, every step one call of the compiled `step`.

What a row gives is a function of its own tokens alone, bit for bit, whoever shares its step, however its prompt was cut
into chunks, whether its prefix was computed or copied: whole numbers are summed exactly, and everything else is done
row by row in one fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from codegen_ui.engine.model.config import ModelConfig, parameter_count
from codegen_ui.engine.model.layout import Segment, check_segments
from codegen_ui.engine.model.rotary import angle_table
from codegen_ui.engine.model.weights import LayerWeights, WeightReader
from codegen_ui.engine.native.cache import ByteCache
from codegen_ui.engine.native.compiled import step_address
from codegen_ui.engine.native.gemm import Packed, pack
from codegen_ui.engine.native.team import run
from codegen_ui.engine.native.workspace import Workspace

Table = npt.NDArray[np.int64]


class NativeModel:
    """The decoder's weights and its one method, `step`; see `CodeGenModel`, whose interface this is."""

    @torch.inference_mode()
    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, Tensor],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """As `CodeGenModel`. Ask `obstacle` before."""
        self.config = config
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self.quantize = "int8"
        self.parameters = parameter_count(config)
        self._function = step_address()
        reader = WeightReader(config, weights, device=self.device, dtype=torch.float32, progress=progress)
        self._embedding = reader.tensor("transformer.wte.weight", dtype=torch.float16)
        self._dense: list[Tensor] = []
        self._packed: list[Packed] = []
        table = [self._layer(layer) for layer in reader.layers()]
        self._layers: Table = np.array(table, dtype=np.int64)
        norm = (reader.tensor("transformer.ln_f.weight"), reader.tensor("transformer.ln_f.bias"))
        head = pack(reader.tensor("lm_head.weight"), reader.tensor("lm_head.bias"))
        self._dense += norm
        self._packed.append(head)
        addresses = [*(tensor.data_ptr() for tensor in norm), *head.addresses]
        self._last: Table = np.array(addresses, dtype=np.int64)
        self._turns = angle_table(config).contiguous()
        self._workspace = Workspace(config, self._layers, self._last, self._turns, head.panels)

    @property
    def weights_bytes(self) -> int:
        dense = sum(t.numel() * t.element_size() for t in (self._embedding, *self._dense))
        return dense + sum(part.bytes for part in self._packed)

    @property
    def batch_invariant(self) -> bool:
        return True

    def token_bytes(self) -> int:
        """Bytes that a token takes in a cache."""
        return ByteCache.token_bytes(self.config)

    def new_cache(self, slots: int, length: int | None = None) -> ByteCache:
        """Room for `slots` streams of up to `length` tokens (the model's context by default)."""
        return ByteCache(self.config, slots, self.config.n_positions if length is None else length)

    @torch.inference_mode()
    def step(self, segments: Sequence[Segment], cache: ByteCache) -> Tensor:
        """As `CodeGenModel.step`: fp32 logits `[sum of segment.logits, vocab_size]`; `ValueError` for a misfit."""
        check_segments(segments, cache.slots, cache.length, self.config.vocab_size)
        tokens = torch.tensor([token for segment in segments for token in segment.tokens], dtype=torch.int64)
        work = self._workspace
        work.prepare(segments, cache)
        work.hidden[: len(tokens)].copy_(functional.embedding(tokens, self._embedding))
        logits = work.new_logits()
        run(self._function, work.arguments.ctypes.data, torch.get_num_threads())
        return logits[:, : self.config.vocab_size]

    def _layer(self, weights: LayerWeights) -> list[int]:
        inputs, outputs = pack(weights.in_weight, weights.in_bias), pack(weights.out_weight, weights.out_bias)
        self._dense += [weights.norm_weight, weights.norm_bias]
        self._packed += [inputs, outputs]
        norm = (weights.norm_weight, weights.norm_bias)
        return [*(tensor.data_ptr() for tensor in norm), *inputs.addresses, *outputs.addresses]
