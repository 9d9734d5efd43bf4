"""One step on tensors: tokens in, tokens out. What is computed, and what becomes of it, is decided elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from codegen_ui.engine.costs import StepCosts
from codegen_ui.engine.decoders import Cache, Decoder
from codegen_ui.engine.filters import Seen
from codegen_ui.engine.fixed.fixed_steps import FixedSteps
from codegen_ui.engine.model.layout import Segment
from codegen_ui.engine.sampler import Drawn, RowParams, Sampler
from codegen_ui.engine.scheduler import Copy, StepPlan, Work
from codegen_ui.engine.sequence import SequenceState
from codegen_ui.engine.trust import trusted_sampler
from codegen_ui.request import SamplingParams

WARM_UP_ROWS = (1, 2, 4, 8)
WARM_UP_PREFILL = 32
LIKELIEST = RowParams(SamplingParams(temperature=0))


class Runner:
    """Runs steps over one KV cache. For the engine's thread only.

    Args:
        cache: a slot for every stream and every kept prefix.
        decodable: see `Sampler`.
        fixed: computes the steps that have one of its shapes, as long as they have; None leaves all to the model.
    """

    def __init__(self, model: Decoder, cache: Cache, *, decodable: int, fixed: FixedSteps | None = None) -> None:
        self._model = model
        self._cache = cache
        self._fixed = fixed
        self._sampler = Sampler(decodable)
        self._seen: dict[SequenceState, Seen] = {}

    @torch.inference_mode()
    def warm_up(self, costs: StepCosts) -> None:
        """A few steps in slot 0, which allocate what the first visitor would otherwise wait for and teach `costs`."""
        self._sampler = trusted_sampler(self._sampler.decodable, self._model.config.vocab_size, self._model.device)
        length = min(WARM_UP_PREFILL, self._cache.length)
        self._timed(length, 1)  # pays for allocations
        for rows in WARM_UP_ROWS:
            if rows <= length:
                costs.observe(rows, 0, self._timed(rows, rows))
        costs.observe(0, length, self._timed(length, 1))

    def copy(self, copy: Copy) -> None:
        """Make a copy of a plan."""
        assert copy.sequence.slot is not None
        self._cache.copy(copy.source, copy.sequence.slot, copy.tokens)

    def release(self, slot: int) -> None:
        """Give back a slot's memory; whatever it held, it is zero then."""
        self._cache.release(slot)

    def clear(self, slot: int, start: int, stop: int) -> None:
        """Zero positions that were computed and are not used: what is not finite there must reach nobody."""
        self._cache.clear(slot, start, stop)

    @torch.inference_mode()
    def run(self, plan: StepPlan) -> tuple[Sequence[Sequence[Drawn]], float]:
        """Compute a plan's works: what was drawn for each, after its last token and after each of its draft; and the
        seconds that it took.

        A chunk in the middle of a prompt has a draw too, whose token means nothing: `BROKEN` says that its keys and
        values are not to be used.
        """
        begin = time.perf_counter()
        segments = [Segment(work.slot, work.start, work.tokens, 1 + len(work.draft.tokens)) for work in plan.works]
        rows = [self._rows(work) for work in plan.works]
        logits = self._logits(segments)
        drawn = iter(self._sampler.draw(logits, [row for some in rows for row in some]))
        results = [[next(drawn) for _ in some] for some in rows]
        return results, time.perf_counter() - begin

    def forget(self, sequence: SequenceState) -> None:
        """A sequence ended."""
        self._seen.pop(sequence, None)

    @property
    def sequences(self) -> int:
        """Of how many sequences something is remembered."""
        return len(self._seen)

    def _logits(self, segments: Sequence[Segment]) -> Tensor:
        """As `Decoder.step`; they are to be used before the next step."""
        logits = None if self._fixed is None else self._fixed.step(segments)
        return self._model.step(segments, self._cache) if logits is None else logits

    def _timed(self, tokens: int, logits: int) -> float:
        """Seconds of a step over `tokens` tokens at the start of slot 0, whose logits are looked at."""
        begin = time.perf_counter()
        self._logits([Segment(0, 0, [0] * tokens, logits)]).argmax(-1).tolist()
        return time.perf_counter() - begin

    def _rows(self, work: Work) -> list[RowParams]:
        """Sampling of the next token and, behind each draft, of the one after it."""
        sequence, draft = work.sequence, work.draft.tokens
        if not work.draws:
            return [LIKELIEST]
        first = len(sequence.tokens) - sequence.prompt_tokens
        greedy = sequence.sampling.temperature == 0
        seen = self._seen_by(sequence)
        rows = []
        for offset in range(len(draft) + 1):
            ids = None if seen is None else seen.also(draft[:offset]) if offset else seen.ids
            uniform = 0.0 if greedy else sequence.uniforms[first + offset]
            rows.append(RowParams(sequence.sampling, uniform, ids, sequence.logprobs))
        return rows

    def _seen_by(self, sequence: SequenceState) -> Seen | None:
        """The tokens so far, where a repetition penalty concerns them."""
        if sequence.sampling.repetition_penalty == 1:
            return None
        if sequence not in self._seen:
            self._seen[sequence] = Seen(self._sampler.decodable)
        seen = self._seen[sequence]
        seen.follow(sequence.tokens)
        return seen
