"""The scheduler against a plain model of it, driven by random arrivals, lengths and cancels."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from codegen_ui.engine.scheduler import Job, Scheduler


def jobs(*visitors: str) -> list[Job]:
    return [Job(visitor, 1) for visitor in visitors]


def admitted_order(scheduler: Scheduler[Job]) -> list[Job]:
    """Serve everybody, one at a time."""
    served = []
    while scheduler.waiting or scheduler.running:
        scheduler.admit()
        job = scheduler.running[0]
        served.append(job)
        scheduler.remove(job)
    return served


def test_one_visitor_is_served_in_order_of_arrival() -> None:
    scheduler: Scheduler[Job] = Scheduler(1)
    mine = jobs("a", "a", "a")
    for job in mine:
        scheduler.add(job)
    assert admitted_order(scheduler) == mine


def test_many_requests_of_one_visitor_do_not_delay_another_by_more_than_one() -> None:
    scheduler: Scheduler[Job] = Scheduler(1)
    flood = jobs(*["flood"] * 50)
    for job in flood:
        scheduler.add(job)
    late = Job("late", 1)
    scheduler.admit()
    scheduler.add(late)
    assert admitted_order(scheduler)[1] is late


def test_a_visitor_with_fewer_running_requests_gets_the_free_slot() -> None:
    scheduler: Scheduler[Job] = Scheduler(3)
    first = jobs("a", "a", "a", "a")
    for job in first:
        scheduler.add(job)
    scheduler.admit()
    other = Job("b", 1)
    scheduler.add(other)
    scheduler.remove(first[0])
    assert scheduler.admit() == [other]


def test_newcomers_cannot_pass_a_visitor_for_ever() -> None:
    scheduler: Scheduler[Job] = Scheduler(1)
    patient = jobs("patient", "patient")
    for job in patient:
        scheduler.add(job)
    served = 0
    for number in range(10):
        scheduler.add(Job(f"newcomer {number}", 1))
        (job,) = scheduler.admit()
        scheduler.remove(job)
        served += job in patient
    assert served == 2


def test_the_announced_order_is_the_order_of_service() -> None:
    scheduler: Scheduler[Job] = Scheduler(1)
    for job in jobs("a", "a", "b", "c", "b", "a"):
        scheduler.add(job)
    announced = scheduler.order()
    admitted = []
    while scheduler.waiting:
        (job,) = scheduler.admit()
        admitted.append(job)
        scheduler.remove(job)
    assert [job.visitor for job in announced] == [job.visitor for job in admitted]


def test_a_short_prompt_does_not_wait_behind_a_long_one() -> None:
    scheduler: Scheduler[Job] = Scheduler(2)
    long, short = Job("a", 1500), Job("b", 10)
    scheduler.add(long)
    scheduler.add(short)
    scheduler.admit()
    assert dict(scheduler.plan(64).prefill) == {long: 54, short: 10}


def test_a_job_that_is_held_is_left_alone() -> None:
    scheduler: Scheduler[Job] = Scheduler(2)
    leader, follower = Job("a", 50), Job("b", 50)
    for job in (leader, follower):
        scheduler.add(job)
    scheduler.admit()
    follower.held = True
    assert scheduler.plan(64).prefill == ((leader, 50),)


def test_jobs_whose_prompt_is_done_decode() -> None:
    scheduler: Scheduler[Job] = Scheduler(2)
    ready, new = Job("a", 5), Job("b", 7)
    scheduler.add(ready)
    scheduler.add(new)
    scheduler.admit()
    ready.computed = 5
    plan = scheduler.plan(4)
    assert plan.decode == (ready,)
    assert plan.prefill == ((new, 4),)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from("abc"), st.integers(1, 40), st.integers(1, 6)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("step"), st.integers(0, 16)),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), ACTIONS)
def test_nobody_is_lost_or_served_twice_and_no_slot_leaks(slots: int, actions: list[tuple[object, ...]]) -> None:
    scheduler: Scheduler[Job] = Scheduler(slots)
    arrived: list[Job] = []
    output_left: dict[Job, int] = {}
    ended: list[Job] = []

    def end(job: Job) -> None:
        assert job not in ended
        was_running = job in scheduler.running
        slot = scheduler.remove(job)
        assert (slot is not None) == was_running
        ended.append(job)

    def step(budget: int) -> None:
        for job in scheduler.admit():
            assert job not in ended
        running = list(scheduler.running)
        taken = [job.slot for job in running]
        assert len(set(taken)) == len(taken) <= slots
        assert all(slot is not None and 0 <= slot < slots for slot in taken)
        assert len(running) == min(slots, len(arrived) - len(ended))
        plan = scheduler.plan(budget)
        assert sum(count for _, count in plan.prefill) <= max(1, budget)
        assert not set(plan.decode) & {job for job, _ in plan.prefill}
        assert bool(plan) == bool(running)
        for job, count in plan.prefill:
            assert 1 <= count <= job.prefill_left
            job.computed += count
            if not job.prefill_left:
                output_left[job] -= 1
        for job in plan.decode:
            job.computed += 1
            output_left[job] -= 1
        for job in running:
            if output_left[job] <= 0:
                end(job)

    for name, *values in actions:
        if name == "arrive":
            visitor, prompt, output = values
            assert isinstance(visitor, str)
            assert isinstance(prompt, int)
            assert isinstance(output, int)
            job = Job(visitor, prompt)
            output_left[job] = output
            arrived.append(job)
            scheduler.add(job)
            assert set(scheduler.order()) == set(scheduler.waiting)
        elif name == "cancel":
            (index,) = values
            assert isinstance(index, int)
            if index < len(arrived) and arrived[index] not in ended:
                end(arrived[index])
        else:
            (budget,) = values
            assert isinstance(budget, int)
            step(budget)
    for _ in range(5000):
        if len(ended) == len(arrived):
            break
        step(16)
    assert sorted(map(id, ended)) == sorted(map(id, arrived))
    assert not scheduler.waiting
    assert not scheduler.running
    for job in (fresh := [Job("z", 1) for _ in range(slots)]):
        scheduler.add(job)
    assert {job.slot for job in scheduler.admit()} == set(range(slots)), "every slot is free again"
    assert len(fresh) == slots
