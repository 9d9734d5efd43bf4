"""What every engine promises, whoever generates: the tests' fake, this machine, another server."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from fake_engine import FakeEngine, serve, wait_until
from tiny import one_thread, tiny
from web import api_app, running

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.follow import News, follow
from codegen_ui.generation import Engine
from codegen_ui.metrics import State
from codegen_ui.remote import RemoteEngine
from codegen_ui.request import FinishReason, GenerationRequest

PROMPT = "def foo(bar):\n"
NEW_TOKENS = 24
PACE_SECONDS = 0.01


@contextmanager
def fake() -> Iterator[Engine]:
    with FakeEngine(("a", "é", " b\n"), seconds=PACE_SECONDS) as engine:
        yield engine


@contextmanager
def local() -> Iterator[Engine]:
    with one_thread(), tiny(n_positions=512, n_ctx=512).engine() as engine:
        yield engine


@contextmanager
def remote() -> Iterator[Engine]:
    with ExitStack() as stack:
        inner = FakeEngine(("a", "é", " b\n"), seconds=PACE_SECONDS)
        stack.callback(inner.close)
        url = stack.enter_context(running(api_app(serve(inner))))
        engine = stack.enter_context(RemoteEngine([f"{url}/v1"]))
        assert engine.wait_until_up(10) == ""
        yield engine


@pytest.fixture(params=[fake, local, remote], ids=lambda engine: engine.__name__)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with request.param() as engine:
        yield engine


def ask(tokens: int = NEW_TOKENS) -> GenerationRequest:
    return GenerationRequest(PROMPT, max_new_tokens=tokens, temperature=0, stop_at="length")


def test_pieces_tokens_and_result_are_one_text(engine: Engine) -> None:
    generation = engine.submit(ask())
    pieces = "".join(generation)
    result = generation.result(10)
    assert pieces == result.text == "".join(token.text for token in generation.tokens())
    assert result.tokens == generation.tokens()
    assert result.finish_reason is FinishReason.LENGTH
    assert len(result.token_ids) == result.metrics.output_tokens == NEW_TOKENS


def test_tokens_can_be_read_from_any_of_them_on(engine: Engine) -> None:
    generation = engine.submit(ask())
    generation.result(10)
    assert generation.tokens(NEW_TOKENS - 2) == generation.tokens()[-2:]
    assert generation.tokens(NEW_TOKENS) == ()
    times = [token.time for token in generation.tokens()]
    assert times == sorted(times)


def test_a_snapshot_grows_and_its_end_is_the_result(engine: Engine) -> None:
    generation = engine.submit(ask())
    seen = [generation.snapshot()]
    generation.subscribe(lambda: seen.append(generation.snapshot()))
    result = generation.result(10)
    last = generation.snapshot()
    assert all(later.text.startswith(earlier.text) for earlier, later in itertools.pairwise(seen))
    assert (last.text, last.finish_reason, last.error) == (result.text, result.finish_reason, None)
    assert last.metrics.output_tokens == NEW_TOKENS
    assert last.metrics.state is State.DONE


def test_who_subscribes_is_told_of_the_end_even_afterwards(engine: Engine) -> None:
    generation = engine.submit(ask())
    ended = threading.Event()
    generation.subscribe(lambda: ended.set() if generation.snapshot().finish_reason else None)
    generation.result(10)
    assert ended.wait(10)
    late = threading.Event()
    generation.subscribe(late.set)
    assert late.is_set()


def test_a_watcher_that_fails_harms_nobody(engine: Engine) -> None:
    generation = engine.submit(ask())

    def fail() -> None:
        raise RuntimeError("as it was told to")

    generation.subscribe(fail)
    assert generation.result(10).metrics.output_tokens == NEW_TOKENS
    assert engine.submit(ask()).result(10).metrics.output_tokens == NEW_TOKENS


def test_cancelling_ends_it_with_the_text_so_far_and_frees_the_place(engine: Engine) -> None:
    generation = engine.submit(ask(100))
    wait_until(lambda: len(generation.tokens()) > 1)
    generation.cancel()
    generation.cancel()
    result = generation.result(10)
    assert result.finish_reason is FinishReason.CANCELLED
    assert result.text == "".join(token.text for token in generation.tokens())
    wait_until(lambda: engine.stats().active == 0)


def test_waiting_has_an_end(engine: Engine) -> None:
    generation = engine.submit(ask(100))
    with pytest.raises(TimeoutError):
        generation.result(0)
    generation.cancel()
    generation.result(10)


def test_following_gives_every_token_and_then_the_end(engine: Engine) -> None:
    async def read() -> list[News]:
        return [news async for news in follow([engine.submit(ask())]) if news is not None]

    news = asyncio.run(read())
    assert [one.ended for one in news] == [False] * (len(news) - 1) + [True]
    assert sum(len(one.tokens) for one in news) == NEW_TOKENS


def test_several_at_once_do_not_mix(engine: Engine) -> None:
    alone = engine.submit(ask()).result(10)
    together = [engine.submit(ask()) for _ in range(4)]
    assert {generation.result(20).text for generation in together} == {alone.text}
    assert len({generation.id for generation in together}) == 4


def test_the_totals_grow_by_what_was_served(engine: Engine) -> None:
    before = engine.stats()
    result = engine.submit(ask()).result(10)
    wait_until(lambda: engine.stats().finished.get("length", 0) == before.finished.get("length", 0) + 1)
    after = engine.stats()
    assert after.generation_tokens_total - before.generation_tokens_total == result.metrics.output_tokens
    assert after.prompt_tokens_total - before.prompt_tokens_total == result.metrics.prompt_tokens
    assert engine.count_tokens(PROMPT) in (result.metrics.prompt_tokens, None)


def test_closing_ends_what_runs_and_refuses_what_comes(engine: Engine) -> None:
    generation = engine.submit(ask(100))
    wait_until(lambda: len(generation.tokens()) > 0)
    engine.close()
    engine.close()
    assert generation.result(10).finish_reason is FinishReason.CANCELLED
    with pytest.raises(PlaygroundError):
        engine.submit(ask()).result(10)


@pytest.mark.parametrize("engine", [local, remote], indirect=True, ids=["local", "remote"])
def test_more_than_the_context_is_refused_by_name(engine: Engine) -> None:
    """Not by the fake, which tests of other things ask with the page's defaults."""
    with pytest.raises(InvalidInput, match="max_length"):
        engine.submit(GenerationRequest(PROMPT, max_length=2048)).result(10)
