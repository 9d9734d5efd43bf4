"""One step: sequences in, their new tokens out. The only place where the model, the KV cache and the sampler meet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from codegen_ui.engine.costs import StepCosts
from codegen_ui.engine.kv.cache import CachedKV
from codegen_ui.engine.kv.prefixes import PrefixCache, common_prefix
from codegen_ui.engine.model.decoder import CodeGenModel, Segment
from codegen_ui.engine.sampler import BROKEN, Drawn, RowParams, Sampler, UniformStream
from codegen_ui.engine.scheduler import Job, Plan
from codegen_ui.engine.speculation.lookup import (
    MAX_DRAFT,
    NOTHING,
    AcceptanceRates,
    Draft,
    DraftBudget,
    EarlierTexts,
    Lookup,
)
from codegen_ui.request import SamplingParams

MAX_DRAFTING = 4
"""Above this many decoding streams, the rows that drafts would take are better left to the streams themselves."""
WORTH_WAITING = 16
"""Prompt tokens in common with a prompt that is being computed, from which on waiting for it is cheaper."""
WARM_UP_ROWS = (1, 2, 4, 8)
WARM_UP_PREFILL = 32


@dataclass(eq=False)
class SequenceState(Job):
    """A job with its tokens: the prompt, then the output. `computed` of them have their KV in the slot.

    Attributes:
        max_tokens: prompt and output together, at most the KV cache's length.
        seen: `bool [vocab]` on the device, the tokens so far; only where a repetition penalty needs it.
        lookup, draft_budget: what to draft from, and how much, where speculation is on.
    """

    tokens: list[int] = field(default_factory=list)
    max_tokens: int = 0
    sampling: SamplingParams = field(default_factory=SamplingParams)
    logprobs: bool = False
    uniforms: UniformStream = field(default_factory=lambda: UniformStream(0, 0))
    seen: Tensor | None = None
    lookup: Lookup | None = None
    draft_budget: DraftBudget = field(default_factory=lambda: DraftBudget(AcceptanceRates()))


@dataclass(frozen=True)
class Outcome:
    """New tokens of one sequence, in order, how many of the tokens drafted for it after a `match` were right.

    `broken`: its logits were not finite; there are no new tokens.
    """

    sequence: SequenceState
    drawn: tuple[Drawn, ...]
    drafted: int = 0
    accepted: int = 0
    match: int = 0
    broken: bool = False


class Runner:
    """Runs steps over one KV cache. For the engine's thread only.

    Args:
        slots: streams that fit the cache.
        decodable: see `Sampler`.
        prefix_bytes: budget of the prefix cache; 0 is off.
        lookup: what to draft from beside a sequence's own text; None drafts nothing.
        costs: learns from the steps.
    """

    def __init__(
        self,
        model: CodeGenModel,
        slots: int,
        *,
        decodable: int,
        prefix_bytes: int,
        lookup: EarlierTexts | None,
        costs: StepCosts,
    ) -> None:
        self._model = model
        self._sampler = Sampler(decodable)
        self._memory, self._rates = lookup, AcceptanceRates()
        self._costs = costs
        self.cache = model.new_cache(slots)
        self.prefixes: PrefixCache[CachedKV] = PrefixCache(prefix_bytes)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """A few steps in slot 0, which allocate what the first visitor would otherwise wait for and teach `costs`."""
        length = min(WARM_UP_PREFILL, self.cache.length)
        self._timed(length, 1)  # pays for allocations
        for rows in WARM_UP_ROWS:
            if rows <= length:
                self._costs.observe(rows, 0, self._timed(rows, rows))
        self._costs.observe(0, length, self._timed(length, 1))

    def _timed(self, tokens: int, logits: int) -> float:
        """Seconds of a step over `tokens` tokens at the start of slot 0, whose logits are looked at."""
        begin = time.perf_counter()
        self._model.step([Segment(0, 0, [0] * tokens, logits)], self.cache).argmax(-1).tolist()
        return time.perf_counter() - begin

    def leader(self, sequence: SequenceState, running: Sequence[SequenceState]) -> SequenceState | None:
        """Who is computing a good part of this sequence's prompt just now, so that it pays to wait for it."""
        best, length = None, sequence.computed + WORTH_WAITING
        for other in running:
            if other is not sequence and not other.held and other.prefill_left:
                common = common_prefix(other.tokens, sequence.tokens[:-1])
                if common >= length and common > other.computed:
                    best, length = other, common
        return best

    def admit(self, sequence: SequenceState, running: Sequence[SequenceState]) -> int:
        """Prepare a sequence that got its slot; returns how many of its tokens others have computed already: earlier
        ones, from the prefix cache, or those that are `running`."""
        assert sequence.slot is not None
        hit = self.prefixes.longest(sequence.tokens)
        if hit is not None:
            self.cache.write(sequence.slot, hit.kv, hit.tokens)
            sequence.computed = hit.tokens
        for other in running:
            if other is not sequence and other.slot is not None:
                common = common_prefix(other.tokens[: other.computed], sequence.tokens[:-1])
                if common > sequence.computed:
                    self.cache.write(sequence.slot, self.cache.read(other.slot, 0, common), common)
                    sequence.computed = common
        if sequence.sampling.repetition_penalty != 1:
            sequence.seen = torch.zeros(self._model.config.vocab_size, dtype=torch.bool, device=self._model.device)
            self._see(sequence, sequence.tokens)
        if self._memory is not None:
            sequence.lookup, sequence.draft_budget = Lookup(self._memory), DraftBudget(self._rates)
            sequence.lookup.extend(sequence.tokens)
        return sequence.computed

    def keep(self, sequence: SequenceState) -> None:
        """Remember a sequence that ended: its tokens to draft from, and what it has in its slot as a prefix."""
        if self._memory is not None:
            self._memory.add(sequence.tokens)
        tokens = sequence.tokens[: sequence.computed]
        if sequence.slot is None or not tokens:
            return
        if self.prefixes.fits(len(tokens) * self.cache.bytes_per_token) and not self.prefixes.holds(tokens):
            self.prefixes.put(tokens, self.cache.read(sequence.slot, 0, len(tokens)))

    @torch.inference_mode()
    def step(self, plan: Plan[SequenceState]) -> list[Outcome]:
        """Run one step and move its sequences on; those still in the middle of their prompt have no outcome."""
        begin = time.perf_counter()
        drafts = [self._draft(sequence, len(plan.decode)) for sequence in plan.decode]
        segments = [decode_segment(s, draft.tokens) for s, draft in zip(plan.decode, drafts, strict=True)]
        segments += [prefill_segment(s, count) for s, count in plan.prefill]
        drafted = dict(zip(plan.decode, drafts, strict=True))
        sampled = [s for s in (*plan.decode, *(s for s, count in plan.prefill if count == s.prefill_left))]
        rows = [row for s in sampled for row in self._rows(s, drafted.get(s, NOTHING).tokens)]
        logits = self._model.step(segments, self.cache)
        drawn = self._sampler.draw(logits, rows) if rows else []
        context = sum(sequence.computed for sequence, _ in plan.prefill)
        for sequence, count in plan.prefill:
            sequence.computed += count
        outcomes = []
        for sequence in sampled:
            draft = drafted.get(sequence, NOTHING)
            rows_used = len(draft.tokens) + 1
            outcomes.append(self._accept(sequence, draft, drawn[:rows_used]))
            drawn = drawn[rows_used:]
        self._learn(plan, outcomes, time.perf_counter() - begin, context)
        return outcomes

    def _draft(self, sequence: SequenceState, streams: int) -> Draft:
        most = min(MAX_DRAFT, sequence.max_tokens - len(sequence.tokens) - 1)
        if sequence.lookup is None or streams > MAX_DRAFTING:
            return NOTHING
        draft = sequence.lookup.draft(most)
        if not draft.tokens:
            return NOTHING
        costs = [self._costs.step_seconds(streams + extra) for extra in range(len(draft.tokens) + 1)]
        return Draft(draft.tokens[: sequence.draft_budget.length(draft.match, costs)], draft.match)

    def _rows(self, sequence: SequenceState, draft: Sequence[int]) -> list[RowParams]:
        """Sampling of the next token and, behind each draft, of the one after it."""
        first = len(sequence.tokens) - sequence.prompt_tokens
        greedy = sequence.sampling.temperature == 0
        rows = []
        for offset in range(len(draft) + 1):
            seen = sequence.seen
            if seen is not None and offset:
                seen = seen.clone()
                seen[draft[:offset]] = True
            uniform = 0.0 if greedy else sequence.uniforms[first + offset]
            rows.append(RowParams(sequence.sampling, uniform, seen, sequence.logprobs))
        return rows

    def _accept(self, sequence: SequenceState, draft: Draft, drawn: Sequence[Drawn]) -> Outcome:
        """Keep the drawn tokens up to the first that is not what was drafted after it."""
        accepted = 0
        while accepted < len(draft.tokens) and drawn[accepted].token == draft.tokens[accepted]:
            accepted += 1
        kept = tuple(drawn[: accepted + 1])
        if kept[-1].token == BROKEN:
            return Outcome(sequence, (), broken=True)
        ids = [one.token for one in kept]
        sequence.computed = len(sequence.tokens) + accepted
        sequence.tokens.extend(ids)
        if sequence.seen is not None:
            self._see(sequence, ids)
        if sequence.lookup is not None:
            sequence.lookup.extend(ids)
        return Outcome(sequence, kept, len(draft.tokens), accepted, draft.match)

    def _see(self, sequence: SequenceState, ids: Sequence[int]) -> None:
        assert sequence.seen is not None
        sequence.seen[torch.tensor(ids, dtype=torch.int64).to(sequence.seen.device)] = True

    def _learn(self, plan: Plan[SequenceState], outcomes: Sequence[Outcome], seconds: float, context: int) -> None:
        streams, drafted = len(plan.decode), sum(outcome.drafted for outcome in outcomes)
        prefilled = sum(count for _, count in plan.prefill)
        self._costs.observe(streams + drafted, prefilled, seconds, context=context)
        if prefilled or self._memory is None:
            return
        single = self._costs.step_seconds(streams)
        for outcome in outcomes:
            extra = (seconds - single) * outcome.drafted / drafted if drafted else 0.0
            budget = outcome.sequence.draft_budget
            budget.observe(outcome.match, outcome.drafted, outcome.accepted, single + extra, single)


def decode_segment(sequence: SequenceState, draft: Sequence[int]) -> Segment:
    assert sequence.slot is not None
    return Segment(sequence.slot, sequence.computed, [sequence.tokens[-1], *draft], 1 + len(draft))


def prefill_segment(sequence: SequenceState, count: int) -> Segment:
    assert sequence.slot is not None
    start = sequence.computed
    last = count == sequence.prefill_left
    return Segment(sequence.slot, start, sequence.tokens[start : start + count], int(last))
