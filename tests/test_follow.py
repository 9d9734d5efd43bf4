"""Generations watched from an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fake_engine import FakeEngine

from codegen_ui.errors import PlaygroundError
from codegen_ui.follow import News, Signal, follow, until_ended
from codegen_ui.generation import Generation
from codegen_ui.request import GenerationRequest

SCRIPT = tuple(f"{number} " for number in range(40))


def begin(engine: FakeEngine, prompt: str = "x") -> Generation:
    return engine.submit(GenerationRequest(prompt, stop_at="eos"))


async def gather(*generations: Generation, every: Callable[[], float] = lambda: 0.0) -> list[News]:
    return [news async for news in follow(generations, every=every) if news is not None]


def text_of(news: list[News], index: int = 0) -> str:
    return "".join(token.text for one in news if one.index == index for token in one.tokens)


def test_every_token_comes_once_and_the_end_comes_last() -> None:
    news = asyncio.run(gather(begin(FakeEngine(SCRIPT, seconds=0.002))))
    assert text_of(news) == "".join(SCRIPT)
    assert [one.ended for one in news] == [False] * (len(news) - 1) + [True]
    assert len(news) > 10


def test_several_are_followed_side_by_side() -> None:
    engine = FakeEngine(SCRIPT, seconds=0.002)
    news = asyncio.run(gather(begin(engine), begin(engine), begin(engine)))
    assert [text_of(news, index) for index in range(3)] == ["".join(SCRIPT)] * 3
    order = [one.index for one in news]
    assert order != sorted(order)


def test_what_has_ended_before_is_told_whole() -> None:
    generation = begin(FakeEngine(SCRIPT))
    generation.result(5)
    [news] = asyncio.run(gather(generation))
    assert news.ended
    assert text_of([news]) == "".join(SCRIPT)


def test_the_state_now_is_told_at_once() -> None:
    engine = FakeEngine(("a",), seconds=5)

    async def first() -> News | None:
        stream = follow([begin(engine)])
        try:
            return await anext(stream)
        finally:
            await stream.aclose()

    assert asyncio.run(first()) == News(0, (), False)
    engine.close()


def test_a_pause_joins_what_comes_meanwhile_but_holds_no_end_back() -> None:
    generation = begin(FakeEngine(SCRIPT, seconds=0.005))
    began = time.monotonic()
    news = asyncio.run(gather(generation, every=lambda: 60.0))
    assert time.monotonic() - began < 10
    assert len(news) == 2
    assert text_of(news) == "".join(SCRIPT)


def test_a_slow_reader_gets_fewer_and_larger_pieces() -> None:
    async def slow() -> list[News]:
        found = []
        async for news in follow([begin(FakeEngine(SCRIPT, seconds=0.002))]):
            assert news is not None
            found.append(news)
            await asyncio.sleep(0.05)
        return found

    news = asyncio.run(slow())
    assert len(news) < len(SCRIPT) / 2
    assert text_of(news) == "".join(SCRIPT)


def test_silence_is_told_by_the_heartbeat() -> None:
    engine = FakeEngine(("a",), seconds=0.3)

    async def beats() -> int:
        return len([news async for news in follow([begin(engine)], heartbeat=0.05) if news is None])

    assert asyncio.run(beats()) >= 3


def test_an_error_is_the_generations_and_ends_it() -> None:
    generation = begin(FakeEngine(SCRIPT, fail_after=3))
    news = asyncio.run(gather(generation))
    assert news[-1].ended
    with pytest.raises(PlaygroundError):
        generation.result(0)


def test_waiting_for_the_end_wakes_the_loop_for_little_else() -> None:
    async def rings() -> int:
        loop = asyncio.get_running_loop()
        calls = 0
        plain = loop.call_soon_threadsafe

        def counted(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            return plain(*arguments, **options)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        await until_ended(begin(FakeEngine(SCRIPT, seconds=0.002)))
        return calls

    assert asyncio.run(rings()) <= 3


def test_a_signal_that_any_thread_gives_often_wakes_once_until_it_is_cleared() -> None:
    async def given() -> tuple[int, bool, bool]:
        signal, loop, calls = Signal(), asyncio.get_running_loop(), 0
        original = loop.call_soon_threadsafe

        def counted(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            return original(*arguments)

        def often() -> None:
            for _ in range(100):
                signal.set()

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        thread = threading.Thread(target=often)
        thread.start()
        heard = await signal.comes(5)
        thread.join()
        signal.clear()
        return calls, heard, await signal.comes(0.05)

    assert asyncio.run(given()) == (1, True, False)


def test_a_signal_to_a_loop_that_is_gone_reaches_nobody_and_harms_nobody() -> None:
    async def make() -> Signal:
        return Signal()

    asyncio.run(make()).set()


def test_a_generation_outlives_the_loop_that_followed_it() -> None:
    engine = FakeEngine(SCRIPT, seconds=0.01)

    async def leave() -> Generation:
        generation = begin(engine)
        stream = follow([generation])
        await anext(stream)
        await stream.aclose()
        return generation

    assert asyncio.run(leave()).result(5).text == "".join(SCRIPT)


def test_nothing_is_lost_however_the_threads_fall() -> None:
    for _ in range(30):
        engine = FakeEngine(SCRIPT)  # writes as fast as it can
        generations = [begin(engine) for _ in range(4)]
        news = asyncio.run(asyncio.wait_for(gather(*generations), 10))
        assert [text_of(news, index) for index in range(4)] == ["".join(SCRIPT)] * 4
    assert threading.active_count() < 50
