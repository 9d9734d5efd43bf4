"""An engine's fixed steps: whether it has any, of which shapes, and in how much memory."""

from __future__ import annotations

from collections.abc import Callable

from codegen_ui.engine.decoders import Cache, Decoder
from codegen_ui.engine.device import memory_free
from codegen_ui.engine.fixed.buckets import Buckets
from codegen_ui.engine.fixed.capture import Capture
from codegen_ui.engine.fixed.steps import FixedSteps
from codegen_ui.engine.kv.cache import KVCache
from codegen_ui.engine.model.decoder import CodeGenModel

MEMORY_SHARE, MOST_BYTES = 1 / 3, 4 * 2**30
"""Of what the weights and the cache have left free, and never more."""


def recorded_steps(
    capture: Capture | None,
    model: Decoder,
    cache: Cache,
    *,
    streams: int,
    drafts: bool,
    tell: Callable[[str], None],
) -> FixedSteps | None:
    """All steps of fixed shape for `streams` streams, recorded; None where nothing is to be recorded.

    `drafts`: whether they may have drafts to verify. `tell` hears how far it is.
    """
    if capture is None or not isinstance(model, CodeGenModel) or not isinstance(cache, KVCache):
        return None
    most = min(MOST_BYTES, int(memory_free(model.device) * MEMORY_SHARE))
    fixed = FixedSteps(model, cache, Buckets(streams, cache.length, drafts), most_bytes=most)
    fixed.record(capture, tell)
    return fixed
