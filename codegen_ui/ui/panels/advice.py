"""What the live panel says about a text that did not come out as it should, and the one click that mends it."""

from __future__ import annotations

from collections.abc import Collection

from codegen_ui.generation import Snapshot
from codegen_ui.repetition import Repetition, find_repetition
from codegen_ui.request import FinishReason, GenerationRequest, StopAt

PENALTY, STEP, MOST = 1.2, 0.1, 2.0
"""A repetition penalty that ends most repetitions, how much one is raised that did not, and the most there is."""
SHOWN = 40
"""Characters of the repeated line that are quoted."""
EMPTY = (
    "The paper's rule left nothing: it is meant for prompts that end in a function, and cuts before a line that begins "
    "with three quotes or a #, as CodeGen's text does after plain English. Stop at the function's end instead."
)

Advice = dict[str, str]
"""`advice` is a sentence; `act` names what a click does ("penalty", "function" or ""), `act_label` says it."""

NOTHING: Advice = {"advice": "", "act": "", "act_label": ""}


def advise(request: GenerationRequest, snapshot: Snapshot, unsupported: Collection[str] = ()) -> Advice:
    """For a run now. `unsupported` are the settings that its model cannot honour."""
    if snapshot.finish_reason is FinishReason.PAPER and request.stop_at is StopAt.PAPER and not snapshot.text.strip():
        return {"advice": EMPTY, "act": "function", "act_label": "Again, to the function's end"}
    found = find_repetition(snapshot.text)
    if found is None:
        return NOTHING
    penalty = raised(request.sampling.repetition_penalty)
    if "repetition_penalty" in unsupported or penalty is None:
        return {**NOTHING, "advice": describe(found)}
    return {"advice": describe(found), "act": "penalty", "act_label": f"Again with repetition penalty {penalty:g}"}


def raised(penalty: float) -> float | None:
    """The repetition penalty to try after one that did not help; None where there is no more."""
    if penalty >= MOST:
        return None
    return min(MOST, max(PENALTY, round(penalty + STEP, 2)))


def describe(repetition: Repetition) -> str:
    """'The model repeats itself: “self.value = value”, 7 times in a row.'"""
    lines = [line.strip() for line in repetition.part.splitlines() if line.strip()]
    line = lines[0] if len(lines[0]) <= SHOWN else lines[0][: SHOWN - 1] + "…"
    what = f"“{line}”" if len(lines) == 1 else f"{len(lines)} lines from “{line}” on"
    return f"The model repeats itself: {what}, {repetition.times} times in a row."
