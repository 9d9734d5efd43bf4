"""The cost model that decides how much prefill a step may carry."""

from __future__ import annotations

import pytest

from codegen_ui.engine.costs import IDLE_STEP_SECONDS, MAX_STALL_STEPS, MIN_CHUNK, READING, StepCosts


def test_a_fixed_chunk_is_not_adapted() -> None:
    costs = StepCosts(fixed_chunk=7)
    costs.observe(1, 0, 0.1)
    costs.observe(1, 100, 10.0)
    assert costs.chunk(1) == costs.chunk(0) == 7


def test_a_step_that_also_prefills_stays_within_the_promised_number_of_decode_steps() -> None:
    costs = StepCosts()
    decode, token = 0.050, 0.002
    for _ in range(50):
        costs.observe(7, 0, decode)
        chunk = costs.chunk(7)
        costs.observe(7, chunk, decode + chunk * token)
    assert MAX_STALL_STEPS - 0.1 < (decode + costs.chunk(7) * token) / decode <= MAX_STALL_STEPS


def test_attention_to_a_long_context_leaves_room_for_fewer_tokens() -> None:
    costs = StepCosts()
    decode, token, pair = 0.050, 0.001, 0.000_001

    def seconds(chunk: int, context: int) -> float:
        return decode + chunk * token + context * (chunk + READING) * pair

    for context in (0, 100, 500, 1400):
        for _ in range(50):
            costs.observe(7, 0, decode)
            chunk = costs.chunk(7, context)
            costs.observe(7, chunk, seconds(chunk, context), context=context)
        steps = seconds(costs.chunk(7, context), context) / decode
        assert MAX_STALL_STEPS - 0.1 < steps <= MAX_STALL_STEPS + 0.1
    assert costs.chunk(7) > 2 * costs.chunk(7, 1400) > 2 * MIN_CHUNK


def test_without_decoding_streams_a_step_lasts_about_a_quarter_second() -> None:
    costs = StepCosts()
    for _ in range(50):
        costs.observe(0, 100, 100 * 0.002)
    assert costs.chunk(0) * 0.002 == pytest.approx(IDLE_STEP_SECONDS, rel=0.02)


def test_prefill_always_goes_on() -> None:
    costs = StepCosts()
    costs.observe(1, 0, 0.001)
    costs.observe(1, 10, 10.0)
    assert costs.chunk(1) == MIN_CHUNK


def test_a_slow_first_step_does_not_keep_the_chunks_small() -> None:
    costs = StepCosts()
    costs.observe(0, 32, 20.0)
    costs.observe(1, 0, 0.030)
    for rows, seconds in ((0, 0.030), (7, 0.050)):
        if rows:
            costs.observe(rows, 0, seconds)
        for _ in range(40):
            chunk = costs.chunk(rows)
            costs.observe(rows, chunk, seconds + chunk * 0.002)
        assert costs.chunk(rows) >= 15


def test_unmeasured_row_counts_lie_between_the_measured_ones() -> None:
    costs = StepCosts()
    costs.observe(1, 0, 0.030)
    costs.observe(8, 0, 0.044)
    assert costs.step_seconds(1) == pytest.approx(0.030)
    assert costs.step_seconds(4) == pytest.approx(0.036)
    assert costs.step_seconds(10) > 0.044


def test_one_slow_step_does_not_spoil_the_estimate() -> None:
    costs = StepCosts()
    for _ in range(10):
        costs.observe(1, 0, 0.030)
    costs.observe(1, 0, 3.0)
    assert costs.step_seconds(1) < 0.045
