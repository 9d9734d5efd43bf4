"""The box behind the page: device, memory, how busy it is; and what that means for a click on Generate now."""

from __future__ import annotations

from humanize import ordinal

from codegen_ui.exactness import exactness
from codegen_ui.generation import EngineStats, ModelInfo
from codegen_ui.service import Service
from codegen_ui.ui import figures
from codegen_ui.ui.figures import NONE
from codegen_ui.ui.widgets import drawn

ITEMS = (
    ("device", "Device"),
    ("memory", "Memory"),
    ("streams", "Active streams"),
    ("queue", "Queue"),
    ("rate", "Tokens/s, all visitors"),
    ("cache", "Prefix cache"),
    ("total", "Tokens generated"),
)

TEMPLATE = f"""
<div class="cg-bar"><h2>The box</h2></div>
<dl class="cg-small">{"".join(f'<div><dt>{label}</dt><dd data-f="{name}"></dd></div>' for name, label in ITEMS)}</dl>
<p class="cg-hint cg-exact" data-f="exactness"></p>
"""
TURN = '<p class="cg-turn" role="note" data-f="turn"></p>'


class BoxPanel:
    """`figures` shows plain text by name, see `value`; whoever looks at the server passes it on (`ModelPanel`)."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.figures = drawn(blank(), TEMPLATE, "texts", "cg-box")

    def value(self, model: str | None) -> dict[str, str]:
        """The box as the engine of a model sees it; dashes while that one is not ready."""
        status = self._service.status(model)
        engine = self._service.engines().get(status.name)
        return blank() if engine is None or status.info is None else describe(status.info, engine.stats())


def blank() -> dict[str, str]:
    return {**dict.fromkeys((name for name, _ in ITEMS), NONE), "exactness": ""}


def describe(info: ModelInfo, stats: EngineStats) -> dict[str, str]:
    used, total = figures.size(stats.memory_used_bytes), figures.size(stats.memory_total_bytes)
    hits = f", {stats.prefix_cache_hits:,} of {stats.prefix_cache_queries:,} hit" if stats.prefix_cache_queries else ""
    return {
        "device": info.device_name or info.device or NONE,
        "memory": used if total == NONE else f"{used} of {total}",
        "streams": f"{stats.active} of {stats.slots}",
        "queue": str(stats.waiting),
        "rate": figures.rate(stats.tokens_per_second),
        "cache": f"{figures.size(stats.prefix_cache_bytes)}{hits}",
        "total": f"{stats.generation_tokens_total:,}",
        "exactness": exactness(info),
    }


class TurnPanel:
    """What a click on Generate would mean now: nothing to say while a place is free, else how long the queue is.

    `line` shows plain text, see `value`; whoever looks at the server passes it on (`ModelPanel`)."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.line = drawn({"turn": ""}, TURN, "texts", "cg-turn")

    def value(self, model: str | None) -> dict[str, str]:
        name = self._service.status(model).name
        engine = self._service.engines().get(name)
        if engine is None:
            return {"turn": ""}
        stats = engine.stats()
        return {"turn": turn_words(stats, self._service.waits.before(name, stats))}


def turn_words(stats: EngineStats, seconds: float | None) -> str:
    """'All 8 places are taken and 3 wait: a click now would start in about 12 s.'"""
    if seconds == 0:
        return ""
    waiting = f" and {stats.waiting:,} wait{'s' if stats.waiting == 1 else ''}" if stats.waiting else ""
    taken = f"All {stats.slots} places are taken{waiting}"
    if seconds is None:
        return f"{taken}: a click now would be {ordinal(stats.waiting + 1)} in the queue."
    return f"{taken}: a click now would start in about {figures.about(seconds)}."
