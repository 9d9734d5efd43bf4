"""A picture of the engine: one lane a slot, one cell a step. Nobody's text is in it, and nobody's name.

A run's own steps are its timeline, which can be taken away as JSON:

    {"queue_seconds", "prefill_seconds", "ttft_seconds", "latency_seconds", "stopped_by", "prompt_tokens",
     "cached_prompt_tokens", "output_tokens", "drafted_tokens", "accepted_tokens",
     "steps": [{"at", "seconds", "streams", "prefill", "decoded", "accepted"}, ...]}

Times are in seconds; `at` is a step's end, counted from the end of the run's first step. `streams` took part in it,
the run's own `prefill` prompt tokens were computed, its completion gained `decoded` tokens, of which `accepted` had
been drafted. Earlier steps of a long run may be forgotten: "steps_forgotten" says whether any are.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from codegen_ui.steps import Cell, Step
from codegen_ui.ui.session import Ran

WIDTH = 96
"""Steps that are shown."""
IDLE, PREFILL, DECODE, ACCEPTED = ".", "p", "d", "a"
"""What a lane did in a step; the visitor's own in capitals."""

Value = dict[str, Any]


def letter(cell: Cell, own: Container[str]) -> str:
    kind = PREFILL if cell.prefill else ACCEPTED if cell.accepted else DECODE
    return kind.upper() if cell.generation in own else kind


def lanes(steps: Sequence[Step], own: Container[str], least: int) -> Value:
    """Rows of letters, one a slot and at least so many, the newest step at the right; and figures in words.

    `own` are the ids of the visitor's generations.
    """
    shown = list(steps)[-WIDTH:]
    slots = sorted({cell.slot for step in shown for cell in step.cells})
    names = slots + [slot for slot in range(least + len(slots)) if slot not in slots][: max(0, least - len(slots))]
    rows = {slot: [IDLE] * len(shown) for slot in names}
    for column, step in enumerate(shown):
        for cell in step.cells:
            rows[cell.slot][column] = letter(cell, own)
    busy = sum(len(step.cells) for step in shown)
    mean = sum(step.seconds for step in shown) / len(shown) if shown else 0.0
    return {
        "rows": ["".join(rows[slot]).rjust(WIDTH, IDLE) for slot in sorted(rows)],
        "steps": str(shown[-1].number + 1 if shown else 0),
        "mean": f"{1000 * mean:.1f} ms a step, {busy / len(shown):.1f} streams in it" if shown else "no step yet",
    }


def timeline(steps: Sequence[Step], ran: Ran) -> Value:
    """A run's own steps and figures, in the schema above."""
    mine = [(step, cell) for step in steps for cell in step.cells if cell.generation == ran.generation]
    first = mine[0][0].ended if mine else 0.0
    metrics = ran.metrics
    return {
        "queue_seconds": metrics.queue_seconds,
        "prefill_seconds": metrics.prefill_seconds,
        "ttft_seconds": metrics.ttft_seconds,
        "latency_seconds": metrics.latency_seconds,
        "stopped_by": None if ran.reason is None else ran.reason.value,
        "prompt_tokens": metrics.prompt_tokens,
        "cached_prompt_tokens": metrics.cached_prompt_tokens,
        "output_tokens": metrics.output_tokens,
        "drafted_tokens": metrics.drafted_tokens,
        "accepted_tokens": metrics.accepted_tokens,
        "steps_forgotten": sum(cell.decoded for _, cell in mine) < metrics.output_tokens,
        "steps": [
            {
                "at": round(step.ended - first, 6),
                "seconds": round(step.seconds, 6),
                "streams": len(step.cells),
                "prefill": cell.prefill,
                "decoded": cell.decoded,
                "accepted": cell.accepted,
            }
            for step, cell in mine
        ],
    }
