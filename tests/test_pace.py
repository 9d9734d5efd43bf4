"""The cost model that decides how much prefill a step may carry."""

from __future__ import annotations

import pytest

from codegen_ui.engine.pace import IDLE_STEP_SECONDS, MAX_STALL_STEPS, MIN_CHUNK, READING, Pace


def test_a_fixed_chunk_is_not_adapted() -> None:
    pace = Pace(fixed_chunk=7)
    pace.observe(1, 0, 0.1)
    pace.observe(1, 100, 10.0)
    assert pace.chunk(1) == pace.chunk(0) == 7


def test_a_step_that_also_prefills_stays_within_the_promised_number_of_decode_steps() -> None:
    pace = Pace()
    decode, token = 0.050, 0.002
    for _ in range(50):
        pace.observe(7, 0, decode)
        chunk = pace.chunk(7)
        pace.observe(7, chunk, decode + chunk * token)
    assert MAX_STALL_STEPS - 0.1 < (decode + pace.chunk(7) * token) / decode <= MAX_STALL_STEPS


def test_attention_to_a_long_context_leaves_room_for_fewer_tokens() -> None:
    pace = Pace()
    decode, token, pair = 0.050, 0.001, 0.000_001

    def seconds(chunk: int, context: int) -> float:
        return decode + chunk * token + context * (chunk + READING) * pair

    for context in (0, 100, 500, 1400):
        for _ in range(50):
            pace.observe(7, 0, decode)
            chunk = pace.chunk(7, context)
            pace.observe(7, chunk, seconds(chunk, context), context=context)
        steps = seconds(pace.chunk(7, context), context) / decode
        assert MAX_STALL_STEPS - 0.1 < steps <= MAX_STALL_STEPS + 0.1
    assert pace.chunk(7) > 2 * pace.chunk(7, 1400) > 2 * MIN_CHUNK


def test_without_decoding_streams_a_step_lasts_about_a_quarter_second() -> None:
    pace = Pace()
    for _ in range(50):
        pace.observe(0, 100, 100 * 0.002)
    assert pace.chunk(0) * 0.002 == pytest.approx(IDLE_STEP_SECONDS, rel=0.02)


def test_prefill_always_goes_on() -> None:
    pace = Pace()
    pace.observe(1, 0, 0.001)
    pace.observe(1, 10, 10.0)
    assert pace.chunk(1) == MIN_CHUNK


def test_a_slow_first_step_does_not_keep_the_chunks_small() -> None:
    pace = Pace()
    pace.observe(0, 32, 20.0)
    pace.observe(1, 0, 0.030)
    for rows, seconds in ((0, 0.030), (7, 0.050)):
        if rows:
            pace.observe(rows, 0, seconds)
        for _ in range(40):
            chunk = pace.chunk(rows)
            pace.observe(rows, chunk, seconds + chunk * 0.002)
        assert pace.chunk(rows) >= 15


def test_unmeasured_row_counts_lie_between_the_measured_ones() -> None:
    pace = Pace()
    pace.observe(1, 0, 0.030)
    pace.observe(8, 0, 0.044)
    assert pace.step_seconds(1) == pytest.approx(0.030)
    assert pace.step_seconds(4) == pytest.approx(0.036)
    assert pace.step_seconds(10) > 0.044


def test_one_slow_step_does_not_spoil_the_estimate() -> None:
    pace = Pace()
    for _ in range(10):
        pace.observe(1, 0, 0.030)
    pace.observe(1, 0, 3.0)
    assert pace.step_seconds(1) < 0.045
