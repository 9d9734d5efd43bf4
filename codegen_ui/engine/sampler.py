"""From logits to the next token: transformers' processors in transformers' order, one random stream per sample.

Draws are exact and reproducible. Output position i of a sample uses the i-th uniform number of its own generator, and
the token is the inverse of the filtered distribution's CDF there, in the vocabulary's order. So a seed gives the same
tokens whoever else is in the batch, however many samples are asked for, and with prompt-lookup drafts: a draft at
position i is kept exactly if it is the token that position i draws anyway. Speculation changes neither greedy nor
sampled output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from codegen_ui.engine.filters import Columns, TokenIds, draw, has_filter, kept, penalised
from codegen_ui.request import MAX_LOGPROBS, SamplingParams

FIRST_CANDIDATES = 64
BROKEN = -1
"""Drawn in place of a token where the logits are not finite."""


@dataclass(frozen=True)
class RowParams:
    """How one row of logits is to be sampled.

    Attributes:
        uniform: in [0, 1); unused when greedy.
        seen: the distinct tokens that the repetition penalty concerns, all of them decodable; None without a penalty.
        logprobs: whether to report them.
    """

    sampling: SamplingParams
    uniform: float = 0.0
    seen: TokenIds | None = None
    logprobs: bool = False


@dataclass(frozen=True)
class Drawn:
    """One row's token, or `BROKEN`. `logprob` is natural, of the raw logits; `top` the likeliest, best first."""

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = field(default=())


class Sampler:
    """Draws tokens for many rows at once.

    Args:
        decodable: ids from this one on have no text and are never drawn (CodeGen: 50295 of 51200).
        on_host: compute on the CPU, whatever device the logits are on.
    """

    def __init__(self, decodable: int, *, on_host: bool = False) -> None:
        self.decodable = decodable
        self._on_host = on_host

    def draw(self, logits: Tensor, rows: Sequence[RowParams]) -> list[Drawn]:
        """One token per row of `logits`, fp32 `[rows, vocab]` on any device; one copy to the host.

        A row that holds NaN or an infinity (half precision overflowed, say) draws `BROKEN` and harms no other row.
        """
        if self._on_host:
            logits = logits.cpu()
        finite = torch.isfinite(logits.sum(-1))
        tokens = self._tokens(logits, rows).masked_fill(~finite, BROKEN)
        if not any(row.logprobs for row in rows):
            return [Drawn(token) for token in tokens.tolist()]
        packed = self._with_logprobs(logits, tokens).tolist()
        return [unpack(values, row.logprobs) for values, row in zip(packed, rows, strict=True)]

    def probabilities(self, logits: Tensor, rows: Sequence[RowParams]) -> Tensor:
        """The distribution that each row's token is drawn from, `[rows, vocab]`; greedy rows have one 1."""
        scores = penalised(logits[:, : self.decodable], columns_of(rows, logits))
        result = torch.zeros_like(scores)
        for index, row in enumerate(rows):
            one = scores[index : index + 1]
            if row.sampling.temperature == 0:
                result[index, one.argmax()] = 1.0
                continue
            one = one / row.sampling.temperature
            if not has_filter(row.sampling):
                result[index] = one[0].softmax(-1)
                continue
            count, whole = _first_count(one, [row]), torch.tensor(False)
            while not whole:
                weights, ids, whole = _filtered(one, settings_of([row], one), count)
                whole, count = whole | (count == one.shape[-1]), min(one.shape[-1], count * 16)
            result[index].scatter_(0, ids[0], weights[0] / weights.sum())
        return result

    def _tokens(self, logits: Tensor, rows: Sequence[RowParams]) -> Tensor:
        """int64 `[rows]` on the logits' device."""
        scores = logits[:, : self.decodable]
        greedy = all(row.sampling.temperature == 0 for row in rows)
        apart = greedy or scores.device.type == "cpu"
        if not apart or any(row.seen is not None for row in rows):
            columns = columns_of(rows, logits)
            scores = penalised(scores, columns)
            if not apart:
                return draw_together(scores, columns)
        return scores.argmax(-1) if greedy else draw_apart(scores, rows)

    def _with_logprobs(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """fp32 `[rows, 2 + 2 * 5]`: token, its logprob, top ids, their logprobs. fp32 holds ids up to 2^24."""
        logprobs = torch.log_softmax(logits, dim=-1)
        top = logprobs[:, : self.decodable].topk(min(MAX_LOGPROBS, self.decodable), dim=-1)
        chosen = logprobs.gather(1, tokens[:, None].clamp_min(0))
        return torch.cat([tokens[:, None].float(), chosen, top.indices.float(), top.values], dim=1)


def unpack(values: Sequence[float], logprobs: bool) -> Drawn:
    """A row of `_with_logprobs` on the host."""
    if not logprobs:
        return Drawn(int(values[0]))
    count = (len(values) - 2) // 2
    ids = map(int, values[2 : 2 + count])
    return Drawn(int(values[0]), values[1], tuple(zip(ids, values[2 + count :], strict=True)))


def draw_together(scores: Tensor, columns: Columns) -> Tensor:
    """int64 `[rows]`, all rows by the same operators: few launches, one sort, and no look at the host in between."""
    heated = scores / columns.temperature
    if columns.filtered:
        values, ids = heated.sort(-1, descending=True)
        weights, _ = kept(values, torch.logsumexp(heated, dim=-1, keepdim=True), columns)
        weights = torch.zeros_like(heated).scatter_(1, ids, weights)
    else:
        weights = heated.softmax(-1)
    drawn = draw(weights, None, columns.uniform)
    return torch.where(columns.greedy[:, 0], scores.argmax(-1), drawn)


def draw_apart(scores: Tensor, rows: Sequence[RowParams]) -> Tensor:
    """int64 `[rows]`, the same tokens for a CPU: each row costs only what it asks for. Penalties are in `scores`."""
    members: dict[str, list[int]] = {"greedy": [], "plain": [], "filtered": []}
    for index, row in enumerate(rows):
        kind = "filtered" if has_filter(row.sampling) else "plain"
        members["greedy" if row.sampling.temperature == 0 else kind].append(index)
    tokens = torch.empty(len(rows), dtype=torch.int64, device=scores.device)
    for kind, indexes in members.items():
        if not indexes:
            continue
        where = torch.tensor(indexes, device=scores.device)
        picked = scores if len(indexes) == len(rows) else scores[where]
        if kind == "greedy":
            tokens[where] = picked.argmax(-1)
            continue
        columns = settings_of([rows[index] for index in indexes], scores)
        heated = picked / columns.temperature
        if kind == "plain":
            tokens[where] = draw(heated.softmax(-1), None, columns.uniform)
        else:
            chosen = [rows[index] for index in indexes]
            tokens[where] = _draw_filtered(heated, chosen, _first_count(heated, chosen))
    return tokens


def columns_of(rows: Sequence[RowParams], like: Tensor) -> Columns:
    """All that rows ask for, on the device of `like`."""
    return Columns.of([(row.sampling, row.uniform) for row in rows], like.device, [row.seen for row in rows])


def settings_of(rows: Sequence[RowParams], like: Tensor) -> Columns:
    """The same but for penalties."""
    return Columns.of([(row.sampling, row.uniform) for row in rows], like.device)


def _filtered(scores: Tensor, columns: Columns, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unnormalised probabilities after top-k, top-p and min-p of the `count` likeliest ids, these ids, both
    `[rows, count]`, and whether they are all that a row keeps, bool `[rows]`."""
    total = torch.logsumexp(scores, dim=-1, keepdim=True)
    values, ids = scores.topk(count, dim=-1)
    weights, whole = kept(values, total, columns)
    return weights, ids, whole


def _first_count(scores: Tensor, rows: Sequence[RowParams]) -> int:
    """How many of the likeliest ids to sort at first: few, because sorting 50,000 costs a CPU as much as a small step.
    Rows that keep all of them are done again with more."""
    return min(scores.shape[-1], max(FIRST_CANDIDATES, 1 + max(row.sampling.top_k for row in rows)))


def _draw_filtered(scores: Tensor, rows: Sequence[RowParams], count: int) -> Tensor:
    """int64 `[rows]`: tokens of rows that have a filter."""
    columns = settings_of(rows, scores)
    weights, ids, whole = _filtered(scores, columns, count)
    drawn = draw(weights, ids, columns.uniform)
    if count == scores.shape[-1] or bool(whole.all()):
        return drawn
    again = (~whole).nonzero()[:, 0]
    more = min(scores.shape[-1], count * 16)
    return drawn.index_copy(0, again, _draw_filtered(scores[again], [rows[i] for i in again.tolist()], more))
