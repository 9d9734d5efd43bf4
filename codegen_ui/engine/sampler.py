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

from codegen_ui.request import MAX_LOGPROBS, SamplingParams

FIRST_CANDIDATES = 64
BROKEN = -1
"""Drawn in place of a token where the logits are not finite."""


@dataclass(frozen=True)
class RowParams:
    """How one row of logits is to be sampled.

    Attributes:
        uniform: in [0, 1); unused when greedy.
        seen: `bool [vocab]`, the tokens that the repetition penalty concerns; None without a penalty.
        logprobs: whether to report them.
    """

    sampling: SamplingParams
    uniform: float = 0.0
    seen: Tensor | None = None
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
    """

    def __init__(self, decodable: int) -> None:
        self.decodable = decodable

    def draw(self, logits: Tensor, rows: Sequence[RowParams]) -> list[Drawn]:
        """One token per row of `logits`, fp32 `[rows, vocab]` on any device; one copy to the host.

        A row that holds NaN or an infinity (half precision overflowed, say) draws `BROKEN` and harms no other row.
        """
        finite = torch.isfinite(logits.sum(-1))
        tokens = torch.where(finite, self._tokens(logits, rows), BROKEN)
        if not any(row.logprobs for row in rows):
            return [Drawn(token) for token in tokens.tolist()]
        packed = self._with_logprobs(logits, tokens).tolist()
        return [unpack(values, row.logprobs) for values, row in zip(packed, rows, strict=True)]

    def probabilities(self, logits: Tensor, rows: Sequence[RowParams]) -> Tensor:
        """The distribution that each row's token is drawn from, `[rows, vocab]`; greedy rows have one 1."""
        scores = self._scores(logits, rows)
        result = torch.zeros_like(scores)
        for index, row in enumerate(rows):
            one = scores[index : index + 1]
            if row.sampling.temperature == 0:
                result[index, one.argmax()] = 1.0
                continue
            one = one / row.sampling.temperature
            if not _has_filter(row):
                result[index] = one[0].softmax(-1)
                continue
            count, whole = _first_count(one, [row]), torch.tensor(False)
            while not whole:
                weights, ids, whole = _filtered(one, [row], count)
                whole, count = whole | (count == one.shape[-1]), min(one.shape[-1], count * 16)
            result[index].scatter_(0, ids[0], weights[0] / weights.sum())
        return result

    def _tokens(self, logits: Tensor, rows: Sequence[RowParams]) -> Tensor:
        """int64 `[rows]` on the logits' device."""
        scores = self._scores(logits, rows)
        sampled = [index for index, row in enumerate(rows) if row.sampling.temperature > 0]
        if not sampled:
            return scores.argmax(-1)
        groups = {
            "plain": [index for index in sampled if not _has_filter(rows[index])],
            "filtered": [index for index in sampled if _has_filter(rows[index])],
        }
        tokens = scores.argmax(-1) if len(sampled) < len(rows) else torch.empty_like(scores[:, 0], dtype=torch.int64)
        for members in groups.values():
            if not members:
                continue
            chosen = [rows[index] for index in members]
            whole = len(members) == len(rows)
            picked = scores if whole else scores[torch.tensor(members, device=scores.device)]
            heat = _column([row.sampling.temperature for row in chosen], picked)
            picked = picked / heat
            if _has_filter(chosen[0]):
                drawn = _draw_filtered(picked, chosen, _first_count(picked, chosen))
            else:
                drawn = _draw(picked.softmax(-1), None, [row.uniform for row in chosen])
            tokens = drawn if whole else tokens.index_copy(0, torch.tensor(members, device=scores.device), drawn)
        return tokens

    def _scores(self, logits: Tensor, rows: Sequence[RowParams]) -> Tensor:
        """Logits of the decodable ids after the repetition penalty, `[rows, decodable]`; a view where there is none."""
        scores = logits[:, : self.decodable]
        penalised = [index for index, row in enumerate(rows) if row.seen is not None]
        if not penalised:
            return scores
        scores = scores.clone()
        for index in penalised:
            row = rows[index]
            assert row.seen is not None
            penalty, score = row.sampling.repetition_penalty, scores[index]
            changed = torch.where(score < 0, score * penalty, score / penalty)
            scores[index] = torch.where(row.seen[: self.decodable], changed, score)
        return scores

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


def _has_filter(row: RowParams) -> bool:
    params = row.sampling
    return params.top_k > 0 or params.top_p < 1 or params.min_p > 0


def _filtered(scores: Tensor, rows: Sequence[RowParams], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unnormalised probabilities after top-k, top-p and min-p of the `count` likeliest ids, these ids, both
    `[rows, count]`, and whether they are all that a row keeps, bool `[rows]`."""
    total = torch.logsumexp(scores, dim=-1, keepdim=True)
    values, ids = scores.topk(count, dim=-1)
    weights, whole = _kept(values, total, rows)
    return weights, ids, whole


def _first_count(scores: Tensor, rows: Sequence[RowParams]) -> int:
    """How many of the likeliest ids to sort at first.

    On a CPU, where sorting 50,000 costs as much as a small step, few; rows that keep all of them are done again with
    more. Elsewhere all, because looking at the result would be another copy to the host.
    """
    size = scores.shape[-1]
    if scores.device.type != "cpu":
        return size
    return min(size, max(FIRST_CANDIDATES, 1 + max(row.sampling.top_k for row in rows)))


def _draw_filtered(scores: Tensor, rows: Sequence[RowParams], count: int) -> Tensor:
    """int64 `[rows]`: tokens of rows that have a filter."""
    weights, ids, whole = _filtered(scores, rows, count)
    drawn = _draw(weights, ids, [row.uniform for row in rows])
    if count == scores.shape[-1] or bool(whole.all()):
        return drawn
    again = (~whole).nonzero()[:, 0]
    more = min(scores.shape[-1], count * 16)
    return drawn.index_copy(0, again, _draw_filtered(scores[again], [rows[i] for i in again.tolist()], more))


def _kept(values: Tensor, total: Tensor, rows: Sequence[RowParams]) -> tuple[Tensor, Tensor]:
    """Probabilities of descending scores with zeros where a filter drops them, fp32 `[rows, candidates]`; and whether
    they are all that a row keeps, bool `[rows]`.

    `total` is the log of the whole sum of exponentials, the denominator where top-k keeps all.
    """
    count = values.shape[-1]
    top_k = [row.sampling.top_k for row in rows]
    unsure = torch.zeros_like(values[:, 0], dtype=torch.bool)
    if any(top_k):
        # Ties with the k-th stay, as in transformers.
        last = torch.tensor([[min(k or count, count) - 1] for k in top_k], device=values.device)
        keep = values >= values.gather(1, last)
        limited = torch.logsumexp(values.masked_fill(~keep, -torch.inf), dim=-1, keepdim=True)
        inside = torch.tensor([[0 < k < count] for k in top_k], device=values.device)
        total = torch.where(inside, limited, total)
        unsure = keep[:, -1] & inside[:, 0]
        weights = torch.exp(values - total).masked_fill(~keep, 0.0)
    else:
        weights = torch.exp(values - total)
    if any(row.sampling.top_p < 1 for row in rows):
        # transformers drops the tail whose ascending sum is at most 1 - p: what is kept has less than p before it. The
        # likeliest always stays.
        before = weights.cumsum(-1) - weights
        mass = _column([row.sampling.top_p if row.sampling.top_p < 1 else 2.0 for row in rows], values)
        dropped = before >= mass
        dropped[:, 0] = False
        weights = weights.masked_fill(dropped, 0.0)
    if any(row.sampling.min_p > 0 for row in rows):
        # The ratio to the likeliest is the same before and after normalising.
        share = _column([row.sampling.min_p for row in rows], values)
        weights = weights.masked_fill(weights < share * weights[:, :1], 0.0)
    return weights, (weights[:, -1] == 0) & ~unsure


def _draw(weights: Tensor, ids: Tensor | None, uniforms: Sequence[float]) -> Tensor:
    """int64 `[rows]`: the inverse CDF at `uniforms`, over ids in ascending order, in fp64 where the device has it."""
    if ids is not None:
        ids, order = ids.sort(-1)
        weights = weights.gather(-1, order)
    exact = torch.float32 if weights.device.type == "mps" else torch.float64
    cdf = weights.to(exact).cumsum(-1)
    total = cdf[:, -1:].contiguous()
    target = torch.tensor(uniforms, dtype=exact, device=weights.device)[:, None] * total
    index = torch.searchsorted(cdf, target, right=True)
    # Rounding may put the target on the total itself: the last id of positive weight is where the total is reached.
    # A total that is NaN is reached nowhere.
    index = torch.minimum(index, torch.searchsorted(cdf, total, right=False)).clamp_max(cdf.shape[-1] - 1)
    return (index if ids is None else ids.gather(-1, index))[:, 0]


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]
