"""Every request is told of once, when it has ended."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fake_engine import FakeEngine

from codegen_ui.errors import BackendRefused, Busy
from codegen_ui.observe import Ended, Refused, Reporter, RequestLog
from codegen_ui.request import FinishReason, GenerationRequest


class Notes:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ends: list[Ended] = []
        self.refusals: list[Refused] = []

    def ended(self, ended: Ended) -> None:
        self.ends.append(ended)

    def refused(self, refused: Refused) -> None:
        self.refusals.append(refused)


class Broken:
    """Raises at whatever it is told."""

    def ended(self, ended: Ended) -> None:
        raise OSError("the disk is full")

    def refused(self, refused: Refused) -> None:
        raise OSError("the disk is full")


def test_requests_from_before_and_within_are_told_of_when_they_end() -> None:
    notes, engine = Notes(), FakeEngine(("a", " b"), seconds=0.01)
    reporter = Reporter([notes])
    early, late = (engine.submit(GenerationRequest(prompt)) for prompt in ("early", "late"))
    reporter.accepted("model", early)

    async def serve() -> None:
        async with reporter.reporting():
            await asyncio.to_thread(reporter.accepted, "model", late)

    asyncio.run(serve())
    assert {end.request.prompt for end in notes.ends} == {"early", "late"}
    assert all(end.snapshot.finish_reason is FinishReason.EOS and len(end.times) == 3 for end in notes.ends)


def test_a_listener_that_raises_keeps_nobody_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    notes, engine = Notes(), FakeEngine()
    reporter = Reporter([Broken(), notes])

    async def serve() -> None:
        async with reporter.reporting():
            for _ in range(2):
                reporter.accepted("model", engine.submit(GenerationRequest("x")))

    asyncio.run(serve())
    reporter.refused("model", GenerationRequest("y"), Busy(1))
    assert (len(notes.ends), len(notes.refusals)) == (2, 1)
    assert caplog.text.count("Broken could not be told") == 3


def test_what_never_ends_does_not_keep_a_server_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegen_ui.observe.LAST_SECONDS", 0.1)
    notes, engine = Notes(), FakeEngine(("a",), seconds=60)
    reporter = Reporter([notes])

    async def serve() -> None:
        async with reporter.reporting():
            reporter.accepted("model", engine.submit(GenerationRequest("x")))

    asyncio.run(asyncio.wait_for(serve(), 5))
    assert notes.ends == []
    engine.close()


@pytest.mark.parametrize("words", ["Invalid prompt: 'def secret_of_mine(a, b):'", "bad: def secret_of_mine(a"])
def test_a_backends_words_that_quote_a_prompt_are_not_logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    request = GenerationRequest("def secret_of_mine(a, b):\n    return 1\n")
    with caplog.at_level(logging.INFO):
        RequestLog().refused(Refused("m", request, BackendRefused("b", f"answers with HTTP 400: {words}")))
        assert "secret" not in caplog.text
        assert "quote the prompt" in caplog.text
        RequestLog(prompts=True).refused(Refused("m", request, BackendRefused("b", f"answers with HTTP 400: {words}")))
        assert "secret" in caplog.text


def test_a_backends_other_words_are_logged_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    error = BackendRefused("b", "answers with HTTP 404: no such model\nERROR forged \x1b[31m")
    with caplog.at_level(logging.INFO):
        RequestLog().refused(Refused("m", GenerationRequest("def f():\n"), error))
    assert "no such model" in caplog.text
    assert all("\n" not in message and "\x1b" not in message for message in caplog.messages)
