"""The terminal tells every stage of the start and ends with the address to open."""

from __future__ import annotations

from codegen_ui.announce import Announcer, place
from codegen_ui.generation import ModelInfo
from codegen_ui.status import ModelStatus, Phase


def told(*statuses: tuple[float, ModelStatus]) -> list[str]:
    lines: list[str] = []
    now = 0.0
    announcer = Announcer("http://127.0.0.1:7860", lines.append, clock=lambda: now)
    for now, status in statuses:  # noqa: B007  (the clock reads it)
        announcer(status)
    return lines


def loading(stage: str, done: int = 0, total: int | None = None) -> ModelStatus:
    return ModelStatus("m", Phase.LOADING, stage=stage, done=done, total=total)


def test_a_new_stage_is_told_at_once_and_progress_every_two_seconds() -> None:
    assert told(
        (0.0, loading("downloading", 0, 700_000_000)),
        (1.0, loading("downloading", 100_000_000, 700_000_000)),
        (2.5, loading("downloading", 250_000_000, 700_000_000)),
        (2.6, loading("reading weights")),
    ) == [
        "m: downloading, 0 Bytes of 700.0 MB ...",
        "m: downloading, 250.0 MB of 700.0 MB ...",
        "m: reading weights ...",
    ]


def test_the_last_line_is_the_address() -> None:
    info = ModelInfo(
        "m",
        "CodeGenForCausalLM",
        2048,
        parameters=1000,
        layers=2,
        dtype="float32",
        device_name="a CPU",
        load_seconds=1.25,
        memory_bytes=5_000_000,
        slots=4,
    )
    lines = told((0.0, ModelStatus("m", Phase.READY, notice="The bundled one stands in.", info=info)))
    assert lines[0] == "The bundled one stands in."
    assert "Loaded in 1.2 s" in lines[1]
    assert "1,000 parameters, 2 layers, float32 on a CPU, 5.0 MB taken, 4 slots" in lines[1]
    assert lines[-1] == "Open http://127.0.0.1:7860"


def test_with_a_prefix_it_is_the_proxy_that_is_to_be_opened() -> None:
    lines: list[str] = []
    announcer = Announcer(place("http://127.0.0.1:7860", "/playground"), lines.append)
    announcer(ModelStatus("m", Phase.READY, info=ModelInfo("m", "CodeGenForCausalLM", 2048)))
    assert lines[-1] == "Open /playground/ on your proxy (in front of http://127.0.0.1:7860)"
    assert place("http://127.0.0.1:7860", "") == "http://127.0.0.1:7860"


def test_a_failure_is_told_in_one_line() -> None:
    assert told((0.0, ModelStatus("m", Phase.FAILED, message="no such folder")))[0] == "m: not loaded: no such folder"
