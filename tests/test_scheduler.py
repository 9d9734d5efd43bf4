"""What the scheduler decides, and that nobody is lost, driven by random arrivals, lengths and cancels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sequences import sequence

from codegen_ui.engine.costs import StepCosts
from codegen_ui.engine.kv.slots import SlotTable
from codegen_ui.engine.scheduler import Scheduler, StepPlan
from codegen_ui.engine.sequence import SequenceState


def scheduler(streams: int = 2, *, slots: int | None = None, chunk: int = 64, keep: int = 1000) -> Scheduler:
    return Scheduler(streams, SlotTable(slots or streams, keep_tokens=keep), StepCosts(chunk))


def added(to: Scheduler, *sequences: SequenceState) -> tuple[SequenceState, ...]:
    for one in sequences:
        to.add(one)
    return sequences


def run(plan: StepPlan, on: Scheduler, token: int = 7) -> None:
    """As if the step had been computed."""
    for work in plan.works:
        on.advance(work, [token] if work.draws else [])


def shares(plan: StepPlan) -> dict[SequenceState, int]:
    return {work.sequence: work.count for work in plan.prefill}


def test_a_short_prompt_does_not_wait_behind_a_long_one() -> None:
    on = scheduler()
    long, short = added(on, sequence("a", 1500), sequence("b", 10))
    assert shares(on.schedule()) == {long: 54, short: 10}


def test_who_begins_like_a_prompt_that_is_being_computed_waits_and_copies() -> None:
    on = scheduler(chunk=32)
    prompt = list(range(40))
    leader, follower = added(on, sequence("a", [*prompt, 1, 2]), sequence("b", [*prompt, 3, 4]))
    for expected in (32, 10):
        plan = on.schedule()
        assert shares(plan) == {leader: expected}
        run(plan, on)
    plan = on.schedule()
    assert [(copy.sequence, copy.source, copy.tokens) for copy in plan.copies] == [(follower, leader.slot, 40)]
    assert [(work.start, work.count) for work in plan.prefill] == [(40, 2)]
    assert [work.sequence for work in plan.decoding] == [leader]


def test_one_copy_a_step() -> None:
    on = scheduler(4, chunk=64)
    samples = added(on, *(sequence(str(n), list(range(40))) for n in range(4)))
    run(on.schedule(), on)
    for done in range(1, 4):
        plan = on.schedule()
        assert len(plan.copies) == 1
        assert len(plan.works) == done + 1
        run(plan, on)
    assert all(sample.to_compute == 1 for sample in samples)


def test_who_waited_for_a_prompt_that_is_given_up_goes_on_with_what_there_is_of_it() -> None:
    on = scheduler(chunk=30)
    leader, follower = added(on, sequence("a", list(range(100))), sequence("b", list(range(100))))
    run(on.schedule(), on)
    slot = on.remove(leader, keep=True)
    plan = on.schedule()
    assert (follower.slot, plan.copies) == (slot, ())
    assert [(work.sequence, work.start, work.count) for work in plan.works] == [(follower, 30, 30)]


def test_a_request_that_continues_one_that_ended_goes_on_in_its_slot_and_nothing_is_copied() -> None:
    on = scheduler(slots=6)
    (first,) = added(on, sequence("a", 20))
    for _ in range(4):
        run(on.schedule(), on)
    slot = on.remove(first, keep=True)
    (again,) = added(on, sequence("b", [*first.tokens, 5, 6]))
    plan = on.schedule()
    assert again.slot == slot
    assert [(work.start, work.count) for work in plan.works] == [(23, 3)]
    assert not plan.copies


def test_one_token_to_compute_is_a_decode_wherever_it_comes_from() -> None:
    on = scheduler()
    ready, new = added(on, sequence("a", 1), sequence("b", 7))
    plan = on.schedule()
    assert [work.sequence for work in plan.decoding] == [ready]
    assert shares(plan) == {new: 7}


def test_without_memory_the_decodes_go_on_alone_and_prompts_in_smaller_chunks() -> None:
    on = scheduler(chunk=64)
    decoding, joining = added(on, sequence("a", 1), sequence("b", 500))
    plan = on.schedule()
    smaller, shed = on.shrink(plan)
    assert ([work.sequence for work in smaller.works], shed) == ([decoding], None)
    run(smaller, on)
    assert shares(on.schedule()) == {joining: 32}


def test_without_memory_for_the_decodes_the_newest_has_to_go() -> None:
    on = scheduler(3)
    first, second, third = added(on, *(sequence(name, 1) for name in "abc"))
    plan, shed = on.shrink(on.schedule())
    assert ([work.sequence for work in plan.works], shed) == ([first, second], third)
    plan, shed = on.shrink(plan)
    assert ([work.sequence for work in plan.works], shed) == ([first], second)


def test_without_memory_for_the_smallest_chunk_the_newest_prompt_has_to_go() -> None:
    on = scheduler(chunk=64)
    (alone,) = added(on, sequence("a", 500))
    for _ in range(10):
        plan, shed = on.shrink(on.schedule())
        if shed is not None:
            break
    assert (shed, plan.works) == (alone, ())


def test_more_streams_than_slots_are_refused() -> None:
    with pytest.raises(ValueError, match="3 streams do not fit 2 slots"):
        scheduler(3, slots=2)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from("abc"), st.integers(1, 40), st.integers(1, 6)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("step"), st.integers(0, 16)),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), st.integers(0, 3), ACTIONS)
def test_nobody_is_lost_or_served_twice_and_no_slot_leaks(
    streams: int, extra: int, actions: list[tuple[str, ...]]
) -> None:
    on = scheduler(streams, slots=streams + extra, chunk=8, keep=60)
    arrived: list[SequenceState] = []
    output_left: dict[SequenceState, int] = {}
    ended: list[SequenceState] = []

    def end(one: SequenceState) -> None:
        assert one not in ended
        held = one.slot
        assert on.remove(one, keep=len(ended) % 2 == 0) == held
        ended.append(one)

    def step() -> None:
        plan = on.schedule()
        taken = [one.slot for one in on.running if one.slot is not None]
        assert sorted(taken) == on.slots.live
        assert len(set(taken)) == len(taken)
        assert len(on.running) == min(streams, len(arrived) - len(ended))
        assert sum(work.count for work in plan.prefill) <= 8
        assert bool(plan.works) == bool(on.running)
        works = [work.sequence for work in plan.works]
        assert len(set(works)) == len(works)
        assert not set(works) & set(ended)
        for work in plan.works:
            assert work.tokens == work.sequence.tokens[work.start : work.start + work.count]
            output_left[work.sequence] -= work.draws
        run(plan, on)
        for one in works:
            if output_left[one] <= 0:
                end(one)

    for name, *values in actions:
        if name == "arrive":
            visitor, prompt, output = values
            # Prompts that begin alike, so that slots are reused, waited for and copied.
            one = sequence(visitor, list(range(int(prompt))), int(prompt) + int(output))
            output_left[one] = int(output)
            arrived.append(one)
            on.add(one)
        elif name == "cancel":
            if int(values[0]) < len(arrived) and arrived[int(values[0])] not in ended:
                end(arrived[int(values[0])])
        else:
            step()
    for _ in range(5000):
        if len(ended) == len(arrived):
            break
        step()
    assert sorted(map(id, ended)) == sorted(map(id, arrived))
    assert not on.faults()
