"""Penalty, top-k, top-p, min-p and the draw itself, for many rows with settings of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from codegen_ui.request import SamplingParams

SETTINGS = 6
"""Of each row: its uniform number, temperature, top-k, top-p, min-p and repetition penalty."""


TokenIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """Settings of rows on the device, `[rows, 1]` each, brought there in one copy that nobody waits for; what no row
    asks for is None.

    Attributes:
        uniform: in [0, 1), fp64 where the device has it.
        temperature: fp32; 1 for greedy rows, which `greedy` names.
        top_k: int64; 0 keeps all.
        top_p: fp32; 2 for rows without.
        min_p: fp32.
        penalty: fp32; 1 for rows without.
        seen: int64 `[rows, most that a row has]`, the tokens that the penalty concerns, some of them more than once.
    """

    uniform: Tensor
    temperature: Tensor
    greedy: Tensor
    top_k: Tensor | None
    top_p: Tensor | None
    min_p: Tensor | None
    penalty: Tensor | None = None
    seen: Tensor | None = None

    @classmethod
    def of(
        cls,
        rows: Sequence[tuple[SamplingParams, float]],
        device: torch.device,
        seen: Sequence[TokenIds | None] = (),
    ) -> Columns:
        """Of each row's settings and its uniform number; `seen`, where it is given, are each row's distinct tokens."""
        width = max((len(ids) for ids in seen if ids is not None), default=0)
        # Whole numbers are exact in it: up to 2^24 even in fp32, and no vocabulary has more.
        table = torch.empty(
            (len(rows), SETTINGS + width),
            dtype=torch.float32 if device.type == "mps" else torch.float64,
            pin_memory=device.type == "cuda",
        )
        values = table.numpy()
        values[:, :SETTINGS] = [
            (u, s.temperature, s.top_k, s.top_p if s.top_p < 1 else 2.0, s.min_p, s.repetition_penalty) for s, u in rows
        ]
        for place, ids in zip(values, seen if width else (), strict=False):
            if ids is None or not len(ids):
                place[SETTINGS - 1], place[SETTINGS:] = 1.0, 0  # of a token that a penalty of 1 leaves as it is
            else:
                # What is left of the width names the first again: a token is penalised once, however often it is named.
                place[SETTINGS:] = ids[0]
                place[SETTINGS : SETTINGS + len(ids)] = ids
        table = table.to(device, non_blocking=True)
        uniform, temperature, top_k, top_p, min_p, penalty = table[:, :SETTINGS].chunk(SETTINGS, dim=1)
        greedy = temperature == 0
        return cls(
            uniform,
            temperature.masked_fill(greedy, 1.0).float(),
            greedy,
            top_k.long() if any(s.top_k for s, _ in rows) else None,
            top_p.float() if any(s.top_p < 1 for s, _ in rows) else None,
            min_p.float() if any(s.min_p > 0 for s, _ in rows) else None,
            penalty.float() if width else None,
            table[:, SETTINGS:].long() if width else None,
        )

    @property
    def filtered(self) -> bool:
        return self.top_k is not None or self.top_p is not None or self.min_p is not None


def penalised(scores: Tensor, columns: Columns) -> Tensor:
    """Scores `[rows, ids]` after the repetition penalty, as transformers has it: each seen token's once, however often
    it was seen."""
    if columns.seen is None or columns.penalty is None:
        return scores
    found = scores.gather(1, columns.seen)
    changed = torch.where(found < 0, found * columns.penalty, found / columns.penalty)
    return scores.scatter(1, columns.seen, changed)


def has_filter(params: SamplingParams) -> bool:
    return params.top_k > 0 or params.top_p < 1 or params.min_p > 0


def kept(values: Tensor, total: Tensor, columns: Columns) -> tuple[Tensor, Tensor]:
    """Probabilities of descending scores with zeros where a filter drops them, fp32 `[rows, candidates]`; and whether
    they are all that a row keeps, bool `[rows]`.

    `total` `[rows, 1]` is the log of the whole sum of exponentials, the denominator where top-k keeps all.
    """
    count = values.shape[-1]
    unsure = torch.zeros_like(values[:, 0], dtype=torch.bool)
    if columns.top_k is not None:
        # Ties with the k-th stay, as in transformers.
        last = columns.top_k.masked_fill(columns.top_k == 0, count).clamp_max(count) - 1
        keep = values >= values.gather(1, last)
        limited = torch.logsumexp(values.masked_fill(~keep, -torch.inf), dim=-1, keepdim=True)
        inside = (columns.top_k > 0) & (columns.top_k < count)
        total = torch.where(inside, limited, total)
        unsure = keep[:, -1] & inside[:, 0]
        weights = torch.exp(values - total).masked_fill(~keep, 0.0)
    else:
        weights = torch.exp(values - total)
    if columns.top_p is not None:
        # transformers drops the tail whose ascending sum is at most 1 - p: what is kept has less than p before it. The
        # likeliest always stays.
        before = weights.cumsum(-1) - weights
        dropped = before >= columns.top_p
        dropped[:, 0] = False
        weights = weights.masked_fill(dropped, 0.0)
    if columns.min_p is not None:
        # The ratio to the likeliest is the same before and after normalising.
        weights = weights.masked_fill(weights < columns.min_p * weights[:, :1], 0.0)
    return weights, (weights[:, -1] == 0) & ~unsure


def draw(weights: Tensor, ids: Tensor | None, uniform: Tensor) -> Tensor:
    """int64 `[rows]`: the inverse CDF at `uniform` `[rows, 1]`, over ids in ascending order, in the uniforms' dtype."""
    if ids is not None:
        ids, order = ids.sort(-1)
        weights = weights.gather(-1, order)
    cdf = weights.to(uniform.dtype).cumsum(-1)
    total = cdf[:, -1:].contiguous()
    index = torch.searchsorted(cdf, uniform * total, right=True)
    # Rounding may put the target on the total itself: the last id of positive weight is where the total is reached.
    # A total that is NaN is reached nowhere.
    index = torch.minimum(index, torch.searchsorted(cdf, total, right=False)).clamp_max(cdf.shape[-1] - 1)
    return (index if ids is None else ids.gather(-1, index))[:, 0]


class Seen:
    """What a repetition penalty concerns: the distinct tokens of one sequence, as far as they can be drawn again, in
    the order of their first occurrence.

    Args:
        decodable: see `Sampler`.
    """

    def __init__(self, decodable: int) -> None:
        self._decodable = decodable
        self._known: set[int] = set()
        self._count = 0
        self.ids: TokenIds = np.empty(0, dtype=np.int64)

    def follow(self, tokens: Sequence[int]) -> None:
        """Take in what the sequence has more than at the last call; `tokens` are all that it has."""
        new = self._new(tokens[self._count :])
        if new:
            self._known.update(new)
            self.ids = np.concatenate((self.ids, np.array(new, dtype=np.int64)))
        self._count = len(tokens)

    def also(self, tokens: Sequence[int]) -> TokenIds:
        """The ids, were the sequence to go on with these tokens."""
        return np.concatenate((self.ids, np.array(self._new(tokens), dtype=np.int64)))

    def _new(self, tokens: Sequence[int]) -> list[int]:
        distinct = dict.fromkeys(tokens)
        return [token for token in distinct if token < self._decodable and token not in self._known]
