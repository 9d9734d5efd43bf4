"""What a click on Generate would mean now: nothing to say while a place is free, else how long the queue is."""

from __future__ import annotations

from humanize import ordinal

from codegen_ui.generation import EngineStats
from codegen_ui.service import Service
from codegen_ui.ui import figures
from codegen_ui.ui.widgets import drawn

TEMPLATE = '<p class="cg-turn" role="note" data-f="turn"></p>'


class TurnPanel:
    """`line` shows plain text, see `value`; whoever looks at the server passes it on (`ModelPanel`)."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.line = drawn({"turn": ""}, TEMPLATE, "texts", "cg-turn")

    def value(self, model: str | None) -> dict[str, str]:
        name = self._service.status(model).name
        engine = self._service.engines().get(name)
        if engine is None:
            return {"turn": ""}
        stats = engine.stats()
        return {"turn": describe(stats, self._service.waits.before(name, stats))}


def describe(stats: EngineStats, seconds: float | None) -> str:
    """'All 8 places are taken and 3 wait: a click now would start in about 12 s.'"""
    if seconds == 0:
        return ""
    waiting = f" and {stats.waiting:,} wait{'s' if stats.waiting == 1 else ''}" if stats.waiting else ""
    taken = f"All {stats.slots} places are taken{waiting}"
    if seconds is None:
        return f"{taken}: a click now would be {ordinal(stats.waiting + 1)} in the queue."
    return f"{taken}: a click now would start in about {figures.about(seconds)}."
