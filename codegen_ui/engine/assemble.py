"""The engine's parts put together: how many slots of which kind, and what they may take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from codegen_ui.engine.core import EngineCore
from codegen_ui.engine.costs import StepCosts
from codegen_ui.engine.decoders import Cache, Decoder
from codegen_ui.engine.device import Promise
from codegen_ui.engine.fixed.fixed_steps import capture_for, recorded_steps
from codegen_ui.engine.kv.slots import SlotTable
from codegen_ui.engine.runner import Runner
from codegen_ui.engine.scheduler import Scheduler
from codegen_ui.engine.speculation.drafter import Drafter
from codegen_ui.engine.totals import Totals
from codegen_ui.options import EngineOptions

logger = logging.getLogger(__name__)

MIB = 2**20
PREFIX_SLOTS = 64
"""Slots beyond those of the streams on a CPU, where one that was never written takes no memory."""


@dataclass(frozen=True)
class Parts:
    """An engine but for its thread.

    Attributes:
        kv_bytes: what the streams' slots take when every position is written.
        promise: what the engine may take of the main memory.
    """

    core: EngineCore
    runner: Runner
    costs: StepCosts
    slots: SlotTable
    token_bytes: int
    kv_bytes: int
    promise: Promise

    @property
    def kept_bytes(self) -> int:
        """Keys and values of what ended."""
        return self.slots.kept * self.token_bytes

    @property
    def written_bytes(self) -> int:
        """Keys and values of all slots, as far as they have been written; on a CPU no others take memory."""
        return self.slots.touched * self.token_bytes

    def try_warm_up(self) -> None:
        """Make the first steps."""
        try:
            self.runner.warm_up(self.costs)
        except Exception:
            # The first request would meet the same fault and report it; the engine must be there to do so.
            logger.exception("warming up failed")


def assemble(
    model: Decoder,
    options: EngineOptions,
    totals: Totals,
    *,
    streams: int,
    decodable: int,
    store: Iterable[Sequence[int]],
    tell: Callable[[str], None] = lambda stage: None,
) -> Parts:
    """The parts of an engine for `streams` streams; `decodable` as in `Sampler`, `store` as in `Drafter`. `tell` hears
    what is being done where that takes long."""
    on_cpu = model.device.type == "cpu"
    length = model.config.n_positions
    token_bytes = model.token_bytes()
    budget = options.prefix_cache_mb * MIB // token_bytes
    extra = min(PREFIX_SLOTS, -(-budget // length) * PREFIX_SLOTS) if on_cpu else budget // length
    cache = new_cache(model, streams, extra)
    if on_cpu:
        most = streams * length + budget
        slots = SlotTable(cache.slots, keep_tokens=budget, most_tokens=most)
    else:
        # A GPU's cache is allocated whole: what ended may stay in any slot.
        most = 0
        slots = SlotTable(cache.slots, keep_tokens=cache.slots * length if budget else 0)
    costs = StepCosts(options.prefill_chunk)
    drafter = Drafter(store, costs) if options.lookup else None
    capture = capture_for(options.cuda_graphs, model.device)
    fixed = recorded_steps(capture, model, cache, streams=streams, drafts=options.lookup, tell=tell)
    runner = Runner(model, cache, decodable=decodable, fixed=fixed)
    core = EngineCore(Scheduler(streams, slots, costs, drafter), runner, totals)
    promise = Promise(most * token_bytes, lambda: slots.touched * token_bytes)
    return Parts(core, runner, costs, slots, token_bytes, streams * length * token_bytes, promise)


def new_cache(model: Decoder, streams: int, extra: int) -> Cache:
    """Slots for the streams, and for kept prefixes as many of `extra` as the system grants address space for."""
    while True:
        try:
            return model.new_cache(streams + extra)
        except OSError:
            if not extra:
                raise
            extra //= 2
