"""Two completions of one prompt side by side, each with its own settings, model or prompt lookup."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.follow import follow
from codegen_ui.generation import Generation, Snapshot
from codegen_ui.kinds import Integer, Number, Switch
from codegen_ui.request import GenerationRequest, page_settings
from codegen_ui.service import Service
from codegen_ui.status import ModelStatus
from codegen_ui.table import Setting
from codegen_ui.ui import figures
from codegen_ui.ui.inputs import DEFAULTS, Inputs, is_typed, to_request
from codegen_ui.ui.panels.settings_panel import PRESETS
from codegen_ui.ui.recording import Recording
from codegen_ui.ui.run import CLOCK_SECONDS, Run, TabRuns
from codegen_ui.ui.views.difference import by_line, by_token, table

NAMES = ("A", "B")
PAUSE_SECONDS = 0.15
PAGE = "page"
"""The settings at hand; the other words are the presets' names."""

Value = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One of the two: its request, whose seed is drawn already, and the operator's name of its model."""

    request: GenerationRequest
    model: str


def plan(service: Service, inputs: Inputs, model: str | None, given: object, visitor: str) -> tuple[Side, Side]:
    """Both sides, from what the page sent of them: where neither has a seed, both draw with the same one.

    Raises `InvalidInput`, naming the field.
    """
    if not isinstance(given, list) or len(given) != len(NAMES) or not all(isinstance(one, Mapping) for one in given):
        raise InvalidInput("sides", given, f"a list of {len(NAMES)} objects")
    seed = secrets.randbelow(2**31)
    first, second = (side(service, inputs, model, one, visitor, seed) for one in given)
    return first, second


def side(
    service: Service, inputs: Inputs, model: str | None, given: Mapping[str, Any], visitor: str, seed: int
) -> Side:
    chosen = given.get("model") or model or ""
    if not isinstance(chosen, str):
        raise InvalidInput("model", chosen, f"one of {', '.join(service.names)}")
    name = service.status(chosen).name
    request = to_request(with_settings(inputs, given.get("settings", PAGE)), visitor)
    lookup = Switch().check("lookup", given.get("lookup", True))
    return Side(replace(request, lookup=lookup, seed=seed if request.seed is None else request.seed), name)


def with_settings(inputs: Inputs, settings: object) -> Inputs:
    """The prompt with the page's settings, a preset's, or those that were held. Raises `InvalidInput`."""
    if settings == PAGE:
        return inputs
    if isinstance(settings, str) and settings in PRESETS:
        slid = [one for one in page_settings() if isinstance(one.kind, Integer | Number) and not is_typed(one)]
        preset = PRESETS[settings]
        return inputs.but(**{one.name: preset.get(one.name, one.neutral) for one in slid if one.neutral is not None})
    if isinstance(settings, Mapping) and set(settings) <= set(DEFAULTS):
        for name, value in settings.items():
            if isinstance(DEFAULTS[name], str) and not isinstance(value, str):
                raise InvalidInput(name, value, "text")
        return inputs.but(**settings)
    raise InvalidInput("settings", settings, f"{PAGE}, {', '.join(PRESETS)}, or settings by their names")


class Compares:
    """Runs comparisons, one at a time for each tab."""

    def __init__(self, service: Service) -> None:
        self.runs = TabRuns()
        self._service = service

    async def run(self, key: str, sides: Sequence[Side], together: bool) -> AsyncGenerator[Value, None]:
        """Both as they change; the last value is not busy and has what they differ in. Errors become its note.

        Together they share the engine's steps; else the second begins when the first has ended.
        """
        value: Value = {"run": secrets.token_hex(4), "note": "", "busy": "1"}
        generations: list[Generation] = []
        try:
            with self.runs.of(key) as runs:
                runs.extend(Run(self._service, side.model) for side in sides)
                for run, one in zip(runs, sides, strict=True):
                    async for status in run.loading():
                        yield {**value, "note": f"{one.model}: {figures.progress(status)}", "sides": []}
                statuses = [self._service.status(one.model) for one in sides]
                for group in [runs] if together else [[run] for run in runs]:
                    if any(run.stopped for run in runs):
                        break
                    for run in group:
                        generations.append(await run.submit(sides[len(generations)].request))
                    going = [run.generation for run in group if run.generation is not None]
                    async for _ in follow(going, every=lambda: PAUSE_SECONDS, heartbeat=CLOCK_SECONDS):
                        yield {**value, "sides": show(sides, statuses, generations)}
                shown = {**value, "busy": "", "sides": show(sides, statuses, generations, left="not run")}
                yield {**shown, **await asyncio.to_thread(outcome, generations)}
        except PlaygroundError as error:
            yield {**value, "busy": "", "note": str(error), "sides": []}


def show(
    sides: Sequence[Side], statuses: Sequence[ModelStatus], generations: Sequence[Generation], left: str = "waiting"
) -> list[Value]:
    """What the page draws of each side; `left` is what became of one that was not begun."""
    snapshots: list[Snapshot | None] = [generation.snapshot() for generation in generations]
    snapshots += [None] * (len(sides) - len(snapshots))
    labels = apart(sides, statuses)
    return [
        {
            "name": name,
            "label": label,
            "state": left if snapshot is None else figures.state_text(snapshot),
            "text": "" if snapshot is None else snapshot.text,
            "figures": "" if snapshot is None else line(snapshot),
            "note": "" if snapshot is None or snapshot.error is None else str(snapshot.error),
        }
        for name, label, snapshot in zip(NAMES, labels, snapshots, strict=True)
    ]


def apart(sides: Sequence[Side], statuses: Sequence[ModelStatus]) -> list[str]:
    """What tells the sides apart, in words; where nothing does, what both are."""
    models = [("", model_words(status)) for status in statuses]
    told = [[model, *settings_words(one.request)] for model, one in zip(models, sides, strict=True)]
    others = [[word for word in mine if any(word not in theirs for theirs in told)] for mine in told]
    return [
        " · ".join(f"{name} {value}".strip() for name, value in (other or mine[:1]))
        for mine, other in zip(told, others, strict=True)
    ]


def model_words(status: ModelStatus) -> str:
    """'bundled, float32'; the name alone while it is not loaded."""
    info = status.info
    if info is None:
        return status.name
    numbers = info.dtype if info.quantize == "none" else info.quantize
    return f"{info.name}, {numbers}" if numbers else info.name


def settings_words(request: GenerationRequest) -> list[tuple[str, str]]:
    """Every setting by its name, in words; and whether prompt lookup may draft."""
    found = [(one, getattr(request, one.name)) for one in page_settings()]
    told = [(words_of(one), one.unset if value is None else one.kind.show(value)) for one, value in found]
    return [*told, ("lookup", "on" if request.lookup else "off")]


def words_of(one: Setting) -> str:
    """'temperature' for a label 'Temperature, 0: greedy'."""
    return one.label.partition(",")[0].lower()


def line(snapshot: Snapshot) -> str:
    """'64 tokens · 212 ms · 301 tokens/s · first after 12.0 ms'."""
    metrics = snapshot.metrics
    told = [f"{metrics.output_tokens:,} tokens", figures.seconds(metrics.latency_seconds)]
    told.append(f"{figures.rate(metrics.tokens_per_second)} tokens/s")
    told.append(f"first after {figures.seconds(metrics.ttft_seconds)}")
    return " · ".join(told + ([] if snapshot.finish_reason is None else [snapshot.finish_reason.words]))


def outcome(generations: Sequence[Generation]) -> Value:
    """The recordings and, of two, what they differ in."""
    snapshots = [generation.snapshot() for generation in generations]
    pieces = [
        Recording.of(generation).pieces(snapshot.text)
        for generation, snapshot in zip(generations, snapshots, strict=True)
    ]
    recorded = [{"id": one.id, "pieces": told} for one, told in zip(generations, pieces, strict=True)]
    if len(generations) < len(NAMES):
        return {"recorded": recorded}
    first, second = snapshots
    tokens = [[text for _, text in told] for told in pieces]
    return {
        "recorded": recorded,
        "table": table(first, second),
        "same": "yes" if first.text == second.text else "no",
        "lines": by_line(first.text, second.text),
        "tokens": by_token(*tokens),
    }
