"""The figures follow their definitions exactly, on times that the test chooses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from codegen_ui.metrics import MetricsRecorder, State
from codegen_ui.pace import RollingRate, percentile, rate_at, rate_history


def recorder() -> MetricsRecorder:
    """Arrives at 100 s, gets a slot at 101, tokens at 102, 102.1, 102.3, 102.6, ends at 103."""
    record = MetricsRecorder(100.0, max_new_tokens=20, seed=7)
    record.prompt(30, dropped=5)
    record.started(101.0, cached=10)
    for time in (102.0, 102.1, 102.3, 102.6):
        record.tokens(time)
    return record


def test_the_figures_of_a_finished_request() -> None:
    record = recorder()
    record.finished(103.0, early=True)
    figures = record.snapshot(999.0)
    assert figures.state is State.DONE
    assert (figures.prompt_tokens, figures.dropped_prompt_tokens, figures.cached_prompt_tokens) == (30, 5, 10)
    assert (figures.output_tokens, figures.seed) == (4, 7)
    assert figures.queue_seconds == pytest.approx(1.0)
    assert figures.prefill_seconds == pytest.approx(1.0)
    assert figures.ttft_seconds == pytest.approx(2.0)
    assert figures.latency_seconds == pytest.approx(3.0)
    assert figures.tokens_per_second == pytest.approx(4 / 3)
    assert figures.decode_tokens_per_second == pytest.approx(3 / 0.6)
    assert figures.itl_p50_seconds == pytest.approx(0.2)
    assert figures.itl_p95_seconds == pytest.approx(0.29)


def test_throughput_counts_output_and_the_blog_posts_figure_counts_the_prompt_too() -> None:
    record = recorder()
    record.finished(103.0, early=False)
    figures = record.snapshot(103.0)
    assert figures.tokens_per_second == pytest.approx(4 / 3)
    assert figures.total_tokens_per_second == pytest.approx(34 / 3)


def test_stopping_early_saves_the_tokens_up_to_the_limit_and_their_time() -> None:
    record = recorder()
    record.finished(103.0, early=True)
    figures = record.snapshot(103.0)
    assert figures.saved_tokens == 16
    assert figures.saved_seconds == pytest.approx(16 / (3 / 0.6))


def test_running_into_the_limit_saves_nothing() -> None:
    record = recorder()
    record.finished(103.0, early=False)
    assert record.snapshot(103.0).saved_tokens == 0


def test_the_state_moves_from_queue_to_done_and_latency_grows_meanwhile() -> None:
    record = MetricsRecorder(0.0)
    record.queued(2)
    waiting = record.snapshot(1.0)
    assert (waiting.state, waiting.queue_position, waiting.latency_seconds) == (State.QUEUED, 2, 1.0)
    assert waiting.ttft_seconds is None
    record.started(2.0)
    assert (record.snapshot(2.5).state, record.snapshot(2.5).queue_position) == (State.PREFILL, 0)
    record.tokens(3.0)
    assert record.snapshot(3.5).state is State.DECODING
    record.finished(4.0, early=True)
    assert record.snapshot(50.0).latency_seconds == 4.0


def test_tokens_accepted_together_are_one_step_for_the_gaps() -> None:
    record = MetricsRecorder(0.0)
    record.started(0.0)
    record.tokens(1.0)
    record.drafts(4, 3)
    record.tokens(1.5, 3)
    figures = record.snapshot(2.0)
    assert (figures.output_tokens, figures.drafted_tokens, figures.accepted_tokens) == (4, 4, 3)
    assert figures.itl_p50_seconds == figures.itl_p95_seconds == 0.5


def test_a_short_run_is_drawn_step_by_step() -> None:
    steps = rate_history([1.0, 1.1, 1.1, 1.1, 1.15], 0.9, 1.2)
    assert [one for step in steps for one in step] == pytest.approx([0.2, 30.0, 0.25, 20.0])


def test_a_short_run_of_many_steps_has_no_more_points_than_a_long_one_and_all_its_tokens() -> None:
    times = [1 + i * 0.001 for i in range(500)]
    history = rate_history(times, 1.0, 1.5)
    assert 60 < len(history) <= 120
    edges = [0.0, *(time for time, _ in history)]
    seen = sum(rate * (end - begin) for (begin, end), (_, rate) in zip(pairwise(edges), history, strict=True))
    assert 494 < seen < 500


def test_steps_that_almost_coincide_make_no_peak() -> None:
    history = rate_history([1.0, 1.01, 1.02, 1.03, 1.04, 1.040001], 1.0, 1.05)
    assert max(rate for _, rate in history) == pytest.approx(100)


def test_tokens_of_one_step_alone_have_no_rate() -> None:
    assert rate_history([1.0, 1.0, 1.0], 0.5, 1.0) == ()


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_percentiles_are_numpys(count: int, share: float) -> None:
    values = sorted(np.random.default_rng(count).random(count).tolist())
    assert percentile(values, share) == pytest.approx(float(np.quantile(values, share)))


def test_the_current_rate_is_that_of_the_last_second() -> None:
    times = [i * 0.1 for i in range(31)]
    assert rate_at(times, 3.0) == pytest.approx(10.0)
    assert rate_at(times, 5.0) == 0.0
    assert rate_at([], 5.0) == 0.0


def test_the_history_adds_up_to_the_tokens() -> None:
    times = [10 + i * 0.05 for i in range(100)]
    history = rate_history(times, 9.0, 15.0)
    width = history[1][0] - history[0][0]
    assert sum(rate * width for _, rate in history) == pytest.approx(100)
    assert history[0][0] > 1.0
    assert len(history) <= 120


def test_the_rolling_rate_forgets() -> None:
    rate = RollingRate(window=5.0)
    rate.add(0.0, 10)
    rate.add(4.0, 10)
    assert rate.rate(4.0) == pytest.approx(4.0)
    assert rate.rate(6.0) == pytest.approx(2.0)
    assert rate.rate(20.0) == 0.0
