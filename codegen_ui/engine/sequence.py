"""One request on its way through the engine: its tokens, and how far they are computed. No torch in here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from codegen_ui.engine.speculation.lookup import AcceptanceRates, DraftBudget, Lookup
from codegen_ui.errors import PlaygroundError
from codegen_ui.metrics import MetricsRecorder
from codegen_ui.request import FinishReason, SamplingParams


class UniformStream:
    """One uniform number in [0, 1) per output position, the same for the same (seed, sample_index) on any device.

    Python's Mersenne Twister: its `random()` is documented to stay the same across versions.
    """

    def __init__(self, seed: int, sample_index: int) -> None:
        self._random = random.Random(f"{seed}/{sample_index}")
        self._values: list[float] = []

    def __getitem__(self, position: int) -> float:
        while len(self._values) <= position:
            self._values.append(self._random.random())
        return self._values[position]


class Output(Protocol):
    """Where a sequence's tokens go: what the engine needs of a `LiveGeneration`."""

    id: str
    cancelled_at: float | None
    deadline: float
    recorder: MetricsRecorder

    @property
    def ended(self) -> bool: ...

    @property
    def output_ids(self) -> Sequence[int]: ...

    def add_tokens(
        self,
        now: float,
        ids: Sequence[int],
        logprobs: Sequence[tuple[float, Sequence[tuple[int, float]]]] | None = None,
    ) -> FinishReason | None: ...

    def finish(self, now: float, reason: FinishReason, error: PlaygroundError | None = None) -> None: ...

    def notify(self) -> None: ...


@dataclass(eq=False)
class SequenceState:
    """Tokens, prompt and then output, of which the first `computed` have their keys and values in the slot.

    There is no other state: a prompt being computed, a cached prefix, a decode step and drafts to verify are all
    tokens to compute beyond those computed.

    Attributes:
        visitor: for fairness.
        tokens: at least one.
        prompt_tokens: how many of them were given.
        max_tokens: prompt and output together, at most the KV cache's length.
        slot: of the KV cache; None while it waits, for a place or for another's prompt.
        arrival: set by the queue.
        drafts: whether prompt lookup may draft for it.
        lookup, draft_budget, indexed: what to draft from, how much, and how many tokens it knows, with speculation.
    """

    visitor: str
    tokens: list[int]
    max_tokens: int
    output: Output
    sampling: SamplingParams = field(default_factory=SamplingParams)
    logprobs: bool = False
    uniforms: UniformStream = field(default_factory=lambda: UniformStream(0, 0))
    prompt_tokens: int = field(init=False)
    computed: int = 0
    slot: int | None = None
    arrival: int = -1
    drafts: bool = True
    lookup: Lookup | None = None
    draft_budget: DraftBudget = field(default_factory=lambda: DraftBudget(AcceptanceRates()))
    indexed: int = 0

    def __post_init__(self) -> None:
        self.prompt_tokens = len(self.tokens)

    @property
    def to_compute(self) -> int:
        """Tokens whose keys and values are missing; the last one's logits give the next token. One while decoding."""
        return len(self.tokens) - self.computed

    @property
    def cost(self) -> int:
        """Tokens that it may still have computed."""
        return self.max_tokens - self.computed
