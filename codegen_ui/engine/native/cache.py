"""Keys and values of every stream as bytes, in slots: a quarter of what float32 takes. `attend` says how they lie."""

from __future__ import annotations

import torch

from codegen_ui.engine.kv.cache import check_place, give_back, untouched_memory
from codegen_ui.engine.model.config import ModelConfig

BLOCK = 16
"""Positions that lie together; a slot's length is rounded up to them."""


class ByteCache:
    """Room for `length` tokens in each of `slots` slots.

    Attributes:
        codes: int8 `[layers, slots, 2, heads, room * head_dim]`, values first, then keys.
        scales: bfloat16 `[layers, slots, 2, heads, room]`.
        room: `length`, rounded up to whole blocks.
    """

    def __init__(self, config: ModelConfig, slots: int, length: int) -> None:
        """Raises `ValueError` where there is no slot, or `length` is not within 1..n_positions."""
        if slots < 1:
            raise ValueError(f"slots is {slots}; it must be at least 1")
        if not 1 <= length <= config.n_positions:
            raise ValueError(f"length is {length}; it must be from 1 to the model's {config.n_positions} positions")
        self.slots, self.length = slots, length
        self.room = -(-length // BLOCK) * BLOCK
        heads = (config.n_layer, slots, 2, config.n_head)
        self._token_bytes = self.token_bytes(config)
        self._code_pages = untouched_memory(config.n_layer * slots * 2 * self.room * config.n_embd)
        self._scale_pages = untouched_memory(config.n_layer * slots * 2 * self.room * config.n_head * 2)
        self.codes = torch.frombuffer(self._code_pages, dtype=torch.int8).view(*heads, self.room * config.head_dim)
        self.scales = torch.frombuffer(self._scale_pages, dtype=torch.bfloat16).view(*heads, self.room)

    @staticmethod
    def token_bytes(config: ModelConfig) -> int:
        """Bytes that one token takes, before any cache exists."""
        return config.n_layer * 2 * (config.n_embd + 2 * config.n_head)

    @property
    def bytes_per_token(self) -> int:
        return self._token_bytes

    @property
    def bytes(self) -> int:
        """Of all slots, were every position written."""
        return self.slots * self.room * self._token_bytes

    @torch.inference_mode()
    def copy(self, source: int, target: int, tokens: int) -> None:
        """Put the first `tokens` tokens of one slot at the same positions of another, of which nothing beyond them is
        wanted any more: what shares their last block is overwritten."""
        self._check(source, 0, tokens)
        self._check(target, 0, tokens)
        blocks = -(-tokens // BLOCK)
        codes = self.codes.view(*self.codes.shape[:4], self.room // BLOCK, -1)
        codes[:, target, :, :, :blocks].copy_(codes[:, source, :, :, :blocks])
        self.scales[:, target, :, :, :tokens].copy_(self.scales[:, source, :, :, :tokens])

    @torch.inference_mode()
    def clear(self, slot: int, start: int, stop: int) -> None:
        """Forget positions whose scales may be no numbers."""
        self._check(slot, start, stop)
        self.scales[:, slot, :, :, start:stop].zero_()

    @torch.inference_mode()
    def release(self, slot: int) -> None:
        """Give a slot's memory back to the system, where that is possible; it holds zeros afterwards."""
        self._check(slot, 0, self.length)
        give_back(self._code_pages, self.codes, slot)
        give_back(self._scale_pages, self.scales, slot)

    def _check(self, slot: int, start: int, stop: int) -> None:
        check_place(slot, start, stop, slots=self.slots, length=self.length)
