"""Whose turn it is: no visitor has more than their share, and what is said of waiting is what waiting takes."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import httpx
import pytest
from fake_engine import FakeEngine, wait_until
from web import api_app, running

from codegen_ui import turns
from codegen_ui.errors import Busy
from codegen_ui.generation import EngineStats, Snapshot
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.observe import Ended
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase
from codegen_ui.turns import Places, Waits
from codegen_ui.ui.panels.box_panel import turn_words

ENDLESS = ("a",) * 10_000


def serve(engine: FakeEngine, per_visitor: int) -> Service:
    service = Service(["fake"], lambda name, progress: Loaded(engine), per_visitor=per_visitor)
    service.start()
    wait_until(lambda: service.status().phase is Phase.READY)
    return service


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    engine = FakeEngine(ENDLESS, seconds=0.01, context=20_000)
    yield engine
    engine.close()


def ask(visitor: str) -> GenerationRequest:
    return GenerationRequest("x", max_length=2000, stop_at="length", visitor=visitor)


class TestPlaces:
    def test_tabs_of_one_address_share_its_places_and_others_have_their_own(self, engine: FakeEngine) -> None:
        service = serve(engine, 3)
        mine = [service.submit(ask(f"192.0.2.7 tab{number}")) for number in range(3)]
        with pytest.raises(Busy, match="You have 3 requests running or waiting already"):
            service.submit(ask("192.0.2.7 another"))
        service.submit(ask("192.0.2.8 tab0"))
        mine[1].cancel()
        wait_until(lambda: mine[1].ended)
        service.submit(ask("192.0.2.7 another"))

    def test_a_program_that_uses_the_library_has_any_number(self, engine: FakeEngine) -> None:
        service = serve(engine, 1)
        assert len([service.submit(ask("")) for _ in range(5)]) == 5

    def test_a_request_that_no_engine_took_gives_its_place_back(self) -> None:
        service = serve(FakeEngine(max_active=0), 1)
        for _ in range(3):
            with pytest.raises(Busy, match="queue is full"):
                service.submit(ask("192.0.2.7"))

    def test_many_at_once_get_no_more_than_their_places(self) -> None:
        places, taken, refused = Places(4), [], []
        start = threading.Barrier(16)

        def take() -> None:
            start.wait()
            try:
                places.take("192.0.2.7")
                taken.append(1)
            except Busy:
                refused.append(1)

        threads = [threading.Thread(target=take) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(taken), len(refused)) == (4, 12)

    def test_visitors_who_have_gone_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(turns, "MANY_VISITORS", 10)
        service = serve(FakeEngine(()), 2)
        for number in range(30):
            generation = service.submit(GenerationRequest("x", stop_at="eos", visitor=f"visitor{number}"))
            wait_until(lambda one=generation: one.ended)  # type: ignore[misc]
        assert len(service.places._there) <= 12

    def test_the_api_says_429_and_when_to_try_again(self, engine: FakeEngine) -> None:
        service = serve(engine, 2)
        body = {"prompt": "x", "max_tokens": 2000, "stream": True, "ignore_eos": True}
        with (
            running(api_app(service)) as url,
            httpx.stream("POST", f"{url}/v1/completions", json=body) as first,
            httpx.stream("POST", f"{url}/v1/completions", json=body) as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            refused = httpx.post(f"{url}/v1/completions", json=body)
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "too_many_requests"
            assert int(refused.headers["retry-after"]) >= 1


def ended(seconds: float, queued: float | None = 0.0) -> Ended:
    metrics = GenerationMetrics(latency_seconds=seconds + (queued or 0), queue_seconds=queued)
    return Ended("m", "id", GenerationRequest("x"), Snapshot("", metrics, FinishReason.EOS), ())


class TestWaits:
    def test_nothing_is_said_before_enough_is_known(self) -> None:
        waits = Waits()
        waits.ended(ended(2.0))
        assert waits.seconds("m", 1, 4) is None

    def test_a_place_takes_what_the_requests_before_it_take_shared_among_the_slots(self) -> None:
        waits = Waits()
        for _ in range(3):
            waits.ended(ended(8.0, queued=100.0))
        assert waits.seconds("m", 1, 4) == pytest.approx(2.0)
        assert waits.seconds("m", 6, 4) == pytest.approx(12.0)
        assert waits.before("m", EngineStats(active=4, waiting=5, slots=4)) == pytest.approx(12.0)
        assert waits.before("m", EngineStats(active=3, waiting=0, slots=4)) == 0.0
        assert waits.before("m", EngineStats(active=1, waiting=2, slots=4)) == 0.0

    def test_who_left_the_queue_without_a_slot_says_nothing_of_slots(self) -> None:
        waits = Waits()
        for _ in range(5):
            waits.ended(ended(0.1, queued=None))
        assert waits.seconds("m", 1, 1) is None

    @pytest.mark.parametrize(("slots", "slow"), [(1, 1.0), (4, 3.0)])
    def test_the_estimate_is_near_what_a_queue_of_such_requests_really_waits(self, slots: int, slow: float) -> None:
        """Simulated: every request holds a slot as long as its kind does, served in order of arrival."""
        times = [slow if number % 3 == 0 else slow / 4 for number in range(300)]
        waits, free, errors = Waits(), [0.0] * slots, []
        for number, held in enumerate(times):
            begin = min(free)
            if number >= 50:
                waiting = 10
                estimate = waits.seconds("m", waiting, slots)
                later = list(free)
                for other in times[number : number + waiting - 1]:
                    later[later.index(min(later))] += other
                real = min(later) - max(0.0, begin)
                errors.append(abs((estimate or math.inf) - real) / (real + slow / slots))
            free[free.index(begin)] = begin + held
            waits.ended(ended(held))
        assert sorted(errors)[len(errors) // 2] < 0.35

    def test_the_page_says_it_before_the_click(self) -> None:
        busy = EngineStats(active=8, waiting=3, slots=8)
        assert turn_words(busy, 11.2) == "All 8 places are taken and 3 wait: a click now would start in about 12 s."
        assert turn_words(busy, None) == "All 8 places are taken and 3 wait: a click now would be 4th in the queue."
        assert turn_words(EngineStats(active=7, slots=8), 0.0) == ""
