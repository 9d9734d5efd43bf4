"""Our distributions against transformers' processors, and draws that depend on nothing but seed and position."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from codegen_ui.engine.filters import Seen
from codegen_ui.engine.sampler import BROKEN, RowParams, Sampler, columns_of, draw_apart, draw_together
from codegen_ui.engine.sequence import UniformStream
from codegen_ui.request import SamplingParams

VOCABULARY = 1200
DECODABLE = 1150
HISTORY = [3, 5, 5, 700, 1100]


def random_logits(rows: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * scale


def row(uniform: float = 0.5, history: list[int] | None = None, **params: float) -> RowParams:
    sampling = SamplingParams(**{"temperature": 1.0, "top_p": 1.0} | params)  # type: ignore[arg-type]
    penalised = sampling.repetition_penalty != 1
    return RowParams(sampling, uniform, np.array(sorted(set(history or HISTORY))) if penalised else None)


def theirs(logits: torch.Tensor, params: SamplingParams, history: list[int]) -> torch.Tensor:
    """transformers' order: penalty, temperature, top-k, top-p, min-p."""
    chain = LogitsProcessorList()
    if params.repetition_penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    if params.temperature != 1:
        chain.append(TemperatureLogitsWarper(params.temperature))
    if params.top_k:
        chain.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        chain.append(TopPLogitsWarper(params.top_p))
    if params.min_p:
        chain.append(MinPLogitsWarper(params.min_p))
    masked = logits.clone()
    masked[:, DECODABLE:] = -torch.inf
    probabilities: torch.Tensor = chain(torch.tensor([history]), masked).softmax(-1)
    return probabilities


GRID: list[dict[str, Any]] = [
    {"temperature": t, "top_k": k, "top_p": p, "min_p": m, "repetition_penalty": r}
    for t, k, p, m, r in itertools.product((0.2, 1.0, 1.7), (0, 1, 40, 5000), (0.3, 0.95, 1.0), (0.0, 0.05), (1.0, 1.3))
]


@pytest.mark.parametrize("params", GRID, ids=str)
def test_probabilities_are_those_of_transformers(params: dict[str, Any]) -> None:
    logits = random_logits(1, seed=7)
    ours = Sampler(DECODABLE).probabilities(logits, [row(**params)])
    expected = theirs(logits, row(**params).sampling, HISTORY)[:, :DECODABLE]
    assert torch.equal(ours > 0, expected > 0), "the same tokens are kept"
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


def test_ties_with_the_last_of_top_k_are_kept_as_in_transformers() -> None:
    logits = torch.zeros(1, VOCABULARY)
    logits[0, :100] = 1.0
    ours = Sampler(DECODABLE).probabilities(logits, [row(top_k=80)])
    assert int((ours > 0).sum()) == 100


def test_a_flat_distribution_under_top_p_needs_more_than_the_first_candidates_and_gets_them() -> None:
    logits = random_logits(1, scale=0.01)
    ours = Sampler(DECODABLE).probabilities(logits, [row(top_p=0.9)])
    expected = theirs(logits, row(top_p=0.9).sampling, HISTORY)[:, :DECODABLE]
    assert int((ours > 0).sum()) > 1000
    assert abs(int((ours > 0).sum()) - int((expected > 0).sum())) <= 1, "rounding may move the edge by a token"


def test_greedy_is_the_argmax_of_what_can_be_decoded() -> None:
    logits = random_logits(2)
    logits[:, DECODABLE + 1] = 100.0
    drawn = Sampler(DECODABLE).draw(logits, [row(temperature=0)] * 2)
    assert [one.token for one in drawn] == logits[:, :DECODABLE].argmax(-1).tolist()


def test_the_penalty_applies_to_greedy_too() -> None:
    logits = torch.zeros(1, VOCABULARY)
    logits[0, 3], logits[0, 4] = 2.0, 1.9
    (drawn,) = Sampler(DECODABLE).draw(logits, [row(temperature=0, repetition_penalty=1.5)])
    assert drawn.token == 4


@pytest.mark.parametrize("params", [{}, {"top_p": 0.9}, {"top_k": 20}, {"min_p": 0.1, "temperature": 0.7}], ids=str)
def test_draws_follow_the_distribution(params: dict[str, Any]) -> None:
    """The inverse CDF at evenly spaced points gives each token its share, up to one point on each side."""
    logits, points = random_logits(1, seed=2), 4000
    expected = Sampler(DECODABLE).probabilities(logits, [row(**params)])[0]
    rows = [row((index + 0.5) / points, **params) for index in range(points)]
    tokens = torch.tensor([one.token for one in Sampler(DECODABLE).draw(logits.expand(points, -1), rows)])
    shares = torch.bincount(tokens, minlength=DECODABLE) / points
    assert float((shares - expected).abs().max()) <= 1.01 / points
    assert bool((expected[tokens] > 0).all())


def test_the_ends_of_the_unit_interval_give_the_first_and_last_token_kept() -> None:
    logits = random_logits(2, seed=4)
    kept = Sampler(DECODABLE).probabilities(logits[:1], [row(top_k=10)])[0].nonzero().flatten().tolist()
    rows = [row(0.0, top_k=10), row(1 - 2**-53, top_k=10)]
    drawn = Sampler(DECODABLE).draw(logits[:1].expand(2, -1), rows)
    assert [one.token for one in drawn] == [kept[0], kept[-1]]


def test_a_rows_token_does_not_depend_on_its_neighbours() -> None:
    rows = [row(0.1 + 0.09 * index, **params) for index, params in enumerate(GRID[::17])]
    logits = random_logits(len(rows), seed=5)
    sampler = Sampler(DECODABLE)
    together = [one.token for one in sampler.draw(logits, rows)]
    alone = [sampler.draw(logits[index : index + 1], [one])[0].token for index, one in enumerate(rows)]
    assert together == alone


def test_logprobs_are_those_of_the_raw_logits() -> None:
    logits = random_logits(2, seed=6)
    asked = RowParams(SamplingParams(temperature=0.5, top_k=3), 0.9, logprobs=True)
    first, second = Sampler(DECODABLE).draw(logits, [asked, row(temperature=0)])
    expected = logits.log_softmax(-1)[0]
    assert first.logprob == pytest.approx(float(expected[first.token]), abs=1e-5)
    best = expected[:DECODABLE].topk(5)
    assert [token for token, _ in first.top] == best.indices.tolist()
    assert [value for _, value in first.top] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert (second.logprob, second.top) == (None, ())


def test_a_random_stream_is_fixed_by_seed_and_sample_index() -> None:
    forwards = [UniformStream(42, 1)[i] for i in range(5)]
    stream = UniformStream(42, 1)
    assert [stream[i] for i in (4, 0, 2, 1, 3)] == [forwards[i] for i in (4, 0, 2, 1, 3)]
    assert forwards != [UniformStream(42, 0)[i] for i in range(5)]
    assert forwards != [UniformStream(43, 1)[i] for i in range(5)]
    assert UniformStream(0, 0)[0] == pytest.approx(0.34268425763729726), "recorded: seeds must keep their meaning"


@pytest.mark.parametrize("values", [{"temperature": 0.0}, {"temperature": 1.0, "top_p": 0.9}, {"temperature": 1.0}])
@pytest.mark.parametrize("logprobs", [False, True])
def test_a_row_that_is_not_finite_draws_no_token_and_harms_no_other(values: dict[str, float], logprobs: bool) -> None:
    logits = torch.randn(3, 100, generator=torch.Generator().manual_seed(3))
    rows = [RowParams(SamplingParams(**{"top_p": 1.0} | values), 0.4, logprobs=logprobs)] * 3  # type: ignore[arg-type]
    whole = Sampler(100).draw(logits, rows)
    logits[1, 50] = float("nan")
    drawn = Sampler(100).draw(logits, rows)
    assert drawn[1].token == BROKEN
    assert [drawn[0], drawn[2]] == [whole[0], whole[2]]


def test_sampling_needs_nothing_from_another_device() -> None:
    """On `meta` any tensor that was made on the CPU by mistake raises."""
    ids = np.array([3, 5, 700])
    params = [
        SamplingParams(temperature=0),
        SamplingParams(temperature=1, top_p=1),
        SamplingParams(temperature=0.5, top_p=0.9, top_k=10, min_p=0.1, repetition_penalty=1.2),
    ]
    rows = [RowParams(one, 0.5, ids if one.repetition_penalty != 1 else None) for one in params]
    logits = torch.empty(3, VOCABULARY, device="meta")
    tokens = Sampler(DECODABLE)._tokens(logits, rows)
    assert (tokens.device.type, tokens.shape, tokens.dtype) == ("meta", (3,), torch.int64)
    assert Sampler(DECODABLE)._with_logprobs(logits, tokens).device.type == "meta"


def test_all_rows_at_once_draw_the_tokens_that_each_draws_apart() -> None:
    generator = random.Random(3)
    logits = torch.randn(200, 500, generator=torch.Generator().manual_seed(4)) * 3
    rows = [
        RowParams(
            SamplingParams(
                temperature=generator.choice([0.0, 0.5, 1.0, 2.0]),
                top_k=generator.choice([0, 0, 1, 20, 499]),
                top_p=generator.choice([1.0, 1.0, 0.1, 0.9, 0.999]),
                min_p=generator.choice([0.0, 0.0, 0.05, 0.5]),
            ),
            uniform=generator.random(),
        )
        for _ in range(200)
    ]
    assert draw_together(logits, columns_of(rows, logits)).tolist() == draw_apart(logits, rows).tolist()
    plain = [RowParams(SamplingParams(temperature=0.8), uniform=generator.random()) for _ in range(200)]
    assert draw_together(logits, columns_of(plain, logits)).tolist() == draw_apart(logits, plain).tolist()


def test_tokens_are_listed_once_in_the_order_of_their_first_occurrence() -> None:
    seen = Seen(100)
    seen.follow([7, 3, 7])
    seen.follow([7, 3, 7, 3, 9, 9])
    assert seen.ids.tolist() == [7, 3, 9]


def test_tokens_without_text_are_left_out_for_they_cannot_be_drawn() -> None:
    seen = Seen(10)
    seen.follow([12, 9, 10])
    assert seen.ids.tolist() == [9]
    assert seen.also([11, 9]).tolist() == [9]


def test_a_draft_is_seen_by_the_rows_behind_it_alone() -> None:
    seen = Seen(100)
    seen.follow([1, 2])
    assert seen.also([2, 5, 5]).tolist() == [1, 2, 5]
    assert seen.ids.tolist() == [1, 2]
