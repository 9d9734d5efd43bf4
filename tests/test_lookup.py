"""Drafts from what was said before, and the bound on what wrong ones may cost."""

from __future__ import annotations

import random

from codegen_ui.engine.lookup import ALLOWED_LOSS, FIRST_ALLOWANCE_STEPS, DraftBudget, Lookup


def lookup(tokens: list[int]) -> Lookup:
    index = Lookup()
    index.extend(tokens)
    return index


def test_what_followed_the_last_tokens_before_is_drafted() -> None:
    assert lookup([1, 2, 3, 4, 5, 6, 9, 1, 2, 3]).draft(2) == [4, 5]


def test_the_longer_match_wins_over_the_later_one() -> None:
    tokens = [7, 1, 2, 3, 40, 8, 1, 2, 3, 50, 7, 1, 2, 3]
    assert lookup(tokens).draft(1) == [40]


def test_of_equal_matches_the_later_one_wins() -> None:
    assert lookup([0, 1, 2, 3, 40, 0, 1, 2, 3, 50, 0, 1, 2, 3]).draft(1) == [50]


def test_a_loop_is_drafted_from_itself() -> None:
    assert lookup([5, 5, 5, 5, 5, 5]).draft(1) == [5]


def test_nothing_is_drafted_where_nothing_repeats() -> None:
    assert lookup(list(range(100))).draft(8) == []
    assert lookup([1, 2]).draft(8) == []


def test_growing_an_index_gives_the_same_drafts_as_building_it_anew() -> None:
    tokens = [random.Random(3).randrange(4) for _ in range(300)]
    growing = Lookup()
    for end, token in enumerate(tokens, start=1):
        growing.extend([token])
        assert growing.draft(4) == lookup(tokens[:end]).draft(4)


COSTS = [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4]


def decode(budget: DraftBudget, steps: int, accept: float, costs: list[float], seed: int = 0) -> tuple[float, int]:
    """Simulate drafting where each drafted token is right with probability `accept`: (seconds, tokens)."""
    rng = random.Random(seed)
    elapsed, tokens = 0.0, 0
    for _ in range(steps):
        drafted = budget.length(costs)
        accepted = 0
        while accepted < drafted and rng.random() < accept:
            accepted += 1
        budget.observe(drafted, accepted, costs[drafted], costs[0])
        elapsed += costs[drafted]
        tokens += 1 + accepted
    return elapsed, tokens


def test_wrong_drafts_cost_at_most_three_percent() -> None:
    for costs in (COSTS, [1 + 0.4 * k for k in range(9)]):
        for steps in (30, 64, 500):
            elapsed, tokens = decode(DraftBudget(), steps, 0.0, costs)
            assert elapsed - tokens <= ALLOWED_LOSS * elapsed + FIRST_ALLOWANCE_STEPS * costs[0] + 1e-9
            assert steps < 64 or elapsed / tokens <= 1.03


def test_right_drafts_get_longer_and_pay_off() -> None:
    budget = DraftBudget()
    elapsed, tokens = decode(budget, 200, 0.95, COSTS)
    assert tokens / elapsed > 3
    assert budget.length(COSTS) >= 6


def test_drafts_are_short_where_rows_are_dear() -> None:
    budget = DraftBudget()
    dear = [1 + 0.5 * k for k in range(9)]
    decode(budget, 100, 0.6, dear)
    assert budget.length(dear) <= 2
