"""The box behind the page: device, memory, how busy it is."""

from __future__ import annotations

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
