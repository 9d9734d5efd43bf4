"""Fair by the tokens that each visitor was served, and fast however many wait."""

from __future__ import annotations

import time
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from sequences import sequence

from codegen_ui.engine.queue import FairQueue
from codegen_ui.engine.sequence import SequenceState


def queue_of(*sequences: SequenceState) -> FairQueue:
    queue = FairQueue()
    for one in sequences:
        queue.add(one)
    return queue


def serve(queue: FairQueue, one: SequenceState, tokens: int | None = None) -> None:
    """All of its turn, in which so many tokens are computed (all that it may take if None)."""
    queue.served(one, one.cost if tokens is None else tokens)
    queue.ended(one)


def served_order(queue: FairQueue) -> list[SequenceState]:
    order = []
    while queue:
        order.append(queue.next())
        serve(queue, order[-1])
    return order


def test_one_visitor_is_served_in_order_of_arrival() -> None:
    mine = [sequence("a", 5) for _ in range(3)]
    assert served_order(queue_of(*mine)) == mine


def test_made_up_tabs_of_one_address_get_no_more_than_one_tab() -> None:
    queue = queue_of(*(sequence(f"192.0.2.7 tab{number}", 5) for number in range(50)))
    first, late = queue.next(), sequence("192.0.2.8 tab", 5)
    queue.add(late)
    serve(queue, first)
    assert queue.next() is late


def test_tabs_of_one_address_take_turns() -> None:
    flood = [sequence("192.0.2.7 flood", 5) for _ in range(50)]
    queue = queue_of(*flood)
    for _ in range(3):
        serve(queue, queue.next())
    late = [sequence("192.0.2.7 late", 5) for _ in range(3)]
    for one in late:
        queue.add(one)
    assert served_order(queue)[:6] == [late[0], flood[3], late[1], flood[4], late[2], flood[5]]


def test_many_requests_of_one_visitor_do_not_delay_another_by_more_than_one() -> None:
    queue = queue_of(*(sequence("flood", 5) for _ in range(50)))
    first, late = queue.next(), sequence("late", 5)
    queue.add(late)
    serve(queue, first)
    assert queue.next() is late


def test_the_visitor_with_less_running_gets_the_free_place() -> None:
    queue = queue_of(*(sequence("a", 5, 100) for _ in range(4)))
    running = [queue.next() for _ in range(3)]
    other = sequence("b", 5, 100)
    queue.add(other)
    serve(queue, running[0], 20)
    assert queue.next() is other


def test_newcomers_cannot_pass_a_visitor_for_ever() -> None:
    patient = [sequence("patient", 5, 500), sequence("patient", 5, 500)]
    queue = queue_of(*patient)
    turns = []
    for number in range(30):
        queue.add(sequence(f"newcomer {number}", 5, 60))
        turns.append(queue.next())
        serve(queue, turns[-1])
    assert patient[1] in turns


def test_who_comes_back_has_not_earned_by_being_away() -> None:
    queue = queue_of(sequence("away", 5, 10))
    serve(queue, queue.next())
    for _ in range(5):
        queue.add(sequence("busy", 5, 200))
    for _ in range(4):
        serve(queue, queue.next())
    returning = [sequence("away", 5, 200) for _ in range(4)]
    for one in returning:
        queue.add(one)
    turns = [queue.next().visitor]
    queue.add(sequence("busy", 5, 200))
    assert turns == ["away"] or turns == ["busy"]
    assert [one.visitor for one in queue.order()].index("busy") <= 1


def test_long_completions_get_no_more_than_short_ones() -> None:
    """Two visitors ask again and again, one for 400 tokens at a time and one for 50, on three places."""
    lengths = {"long": 400, "short": 50}
    queue = queue_of(*(sequence(visitor, 10, 10 + length) for visitor, length in lengths.items() for _ in range(4)))
    running = [queue.next() for _ in range(3)]
    served: Counter[str] = Counter()
    for _ in range(8000):
        for one in list(running):
            one.computed += 1
            served[one.visitor] += 1
            queue.served(one, 1)
            if not one.cost:
                queue.ended(one)
                running.remove(one)
                queue.add(sequence(one.visitor, 10, 10 + lengths[one.visitor]))
                running.append(queue.next())
    assert 0.85 < served["long"] / served["short"] < 1.18


def test_a_promise_that_was_not_kept_is_no_debt() -> None:
    """Who may take 2,000 tokens and takes 20 is served like one who asks for 20."""
    queue = queue_of(*(sequence(v, 10, most) for v, most in (("a", 2000), ("b", 20)) for _ in range(200)))
    turns: Counter[str] = Counter()
    for _ in range(100):
        one = queue.next()
        turns[one.visitor] += 1
        serve(queue, one, 20)
    assert abs(turns["a"] - turns["b"]) <= 2


def test_the_announced_order_is_the_order_of_service() -> None:
    queue = queue_of(*(sequence(visitor, 3) for visitor in "aabcba"))
    announced = queue.order()
    assert served_order(queue) == announced


def test_a_thousand_waiting_cost_a_newcomer_nothing() -> None:
    queue = queue_of(*(sequence(f"visitor {n % 300}", 5, 100) for n in range(1000)))
    begin = time.thread_time()
    for _ in range(100):
        queue.add(sequence("new", 5, 100))
    assert (time.thread_time() - begin) / 100 < 0.001
    begin = time.thread_time()
    assert len(queue.order()) == 1100
    assert time.thread_time() - begin < 0.05


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "next", "leave", "end"])), max_size=60))
def test_an_empty_queue_remembers_nobody(actions: list[tuple[str, str]]) -> None:
    queue = FairQueue()
    waiting: list[SequenceState] = []
    running: list[SequenceState] = []
    for visitor, action in actions:
        if action == "add":
            waiting.append(sequence(visitor, 3, 20))
            queue.add(waiting[-1])
        elif action == "next" and waiting:
            running.append(queue.next())
            waiting.remove(running[-1])
        elif action == "leave" and waiting:
            queue.leave(waiting.pop(0))
        elif action == "end" and running:
            serve(queue, running.pop(), 5)
        assert set(queue.order()) == set(waiting)
        assert len(queue) == len(waiting)
    for one in waiting:
        queue.leave(one)
    for one in running:
        queue.ended(one)
    assert not queue.faults()
