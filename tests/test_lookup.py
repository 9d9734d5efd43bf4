"""Drafts from what was said before, and the bound on what wrong ones may cost."""

from __future__ import annotations

import random

from codegen_ui.engine.speculation.lookup import (
    ALLOWED_LOSS,
    FIRST_ALLOWANCE_STEPS,
    MAX_MATCH,
    MEMORY_TOKENS,
    AcceptanceRates,
    DraftBudget,
    EarlierTexts,
    Lookup,
)


def lookup(tokens: list[int], memory: EarlierTexts | None = None) -> Lookup:
    index = Lookup(memory)
    index.extend(tokens)
    return index


def remembered(*sequences: list[int]) -> EarlierTexts:
    memory = EarlierTexts()
    for tokens in sequences:
        memory.add(tokens)
    return memory


def test_what_followed_the_last_tokens_before_is_drafted() -> None:
    draft = lookup([1, 2, 3, 4, 5, 6, 9, 1, 2, 3]).draft(2)
    assert (draft.tokens, draft.match) == ([4, 5], 3)


def test_one_repeated_token_is_a_short_match() -> None:
    draft = lookup([1, 2, 3, 9, 1]).draft(2)
    assert (draft.tokens, draft.match) == ([2, 3], 1)


def test_the_longer_match_wins_over_the_later_one() -> None:
    tokens = [7, 1, 2, 3, 40, 8, 1, 2, 3, 50, 7, 1, 2, 3]
    assert lookup(tokens).draft(1).tokens == [40]


def test_of_equal_matches_the_later_one_wins() -> None:
    assert lookup([0, 1, 2, 3, 40, 0, 1, 2, 3, 50, 0, 1, 2, 3]).draft(1).tokens == [50]


def test_a_loop_is_drafted_from_itself() -> None:
    assert lookup([5, 5, 5, 5, 5, 5]).draft(1).tokens == [5]


def test_nothing_is_drafted_where_nothing_repeats() -> None:
    assert lookup(list(range(100))).draft(8).tokens == []
    assert lookup([1, 2]).draft(8).tokens == []
    assert lookup([1, 1, 1]).draft(0).tokens == []


def test_an_earlier_sequence_is_drafted_from_up_to_its_end() -> None:
    memory = remembered([1, 2, 3, 4, 5], [7, 8])
    draft = lookup([9, 2, 3], memory).draft(8)
    assert (draft.tokens, draft.match) == ([4, 5], 2)
    assert lookup([9, 4, 5], memory).draft(8).tokens == []


def test_the_own_text_wins_among_equal_matches() -> None:
    assert lookup([2, 3, 10, 2, 3], remembered([2, 3, 4])).draft(1).tokens == [10]
    assert lookup([2, 3, 10, 1, 2, 3], remembered([1, 2, 3, 4])).draft(1).tokens == [4]


def test_a_store_is_drafted_from_and_gives_way_to_what_was_seen_since() -> None:
    memory = EarlierTexts([[1, 2, 3, 40], [8, 9]])
    assert lookup([5, 2, 3], memory).draft(8).tokens == [40]
    assert lookup([5, 40, 8], memory).draft(8).tokens == []
    memory.add([2, 3, 50])
    assert lookup([5, 2, 3], memory).draft(8).tokens == [50]
    assert lookup([1, 2, 3], memory).draft(8).tokens == [40]


def test_a_match_that_nothing_followed_gives_way_to_one_that_something_did() -> None:
    memory = EarlierTexts([[1, 2, 3, 40]])
    memory.add([1, 2, 3])
    assert memory.find([1, 2, 3], 1).tokens == [40]
    assert remembered([7, 1, 2, 3], [2, 3, 50]).find([7, 1, 2, 3], 1).tokens == [50]


def test_texts_are_entered_piece_by_piece_where_others_wait() -> None:
    memory = EarlierTexts()
    memory.queue(list(range(10)))
    memory.queue(list(range(20, 24)))
    memory.enter(4)
    assert (memory.find([1, 2], 5).tokens, memory.find([5, 6], 1).tokens) == ([3], [])
    memory.enter(9)
    assert (memory.find([5, 6], 1).tokens, memory.find([20, 21], 5).tokens) == ([7], [])
    memory.enter(None)
    assert memory.find([20, 21], 5).tokens == [22, 23]


def test_texts_that_end_faster_than_they_are_entered_take_no_more_room_than_the_memory_itself() -> None:
    memory = EarlierTexts()
    for start in range(0, 4 * MEMORY_TOKENS, 1000):
        memory.queue(list(range(start, start + 1000)))
        memory.enter(10)
    assert MEMORY_TOKENS - 2000 < memory.waiting <= MEMORY_TOKENS
    memory.enter(None)
    assert memory.waiting == 0
    last = 4 * MEMORY_TOKENS
    assert memory.find([last - 3, last - 2], 1).tokens == [last - 1]


def test_memory_forgets_the_oldest_and_takes_nothing_twice() -> None:
    memory = remembered([1, 2, 3, 4])
    for start in range(0, 3 * MEMORY_TOKENS, 1000):
        memory.add(list(range(10 + start, 1010 + start)))
        memory.add(list(range(10 + start, 1010 + start)))
    assert len(memory._new) + len(memory._old) <= 2 * MEMORY_TOKENS + 2000
    assert memory.find([1, 2, 3], 1).tokens == []
    last = 3 * MEMORY_TOKENS
    assert memory.find([last - 1, last], 1).tokens == [last + 1]


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
        drafted = budget.length(MAX_MATCH, costs)
        accepted = 0
        while accepted < drafted and rng.random() < accept:
            accepted += 1
        budget.observe(MAX_MATCH, drafted, accepted, costs[drafted], costs[0])
        elapsed += costs[drafted]
        tokens += 1 + accepted
    return elapsed, tokens


def test_wrong_drafts_cost_at_most_three_percent() -> None:
    for costs in (COSTS, [1 + 0.4 * k for k in range(9)]):
        for steps in (30, 64, 500):
            elapsed, tokens = decode(DraftBudget(AcceptanceRates()), steps, 0.0, costs)
            assert elapsed - tokens <= ALLOWED_LOSS * elapsed + FIRST_ALLOWANCE_STEPS * costs[0] + 1e-9
            assert steps < 64 or elapsed / tokens <= 1.03


def test_right_drafts_get_longer_and_pay_off() -> None:
    budget = DraftBudget(AcceptanceRates())
    elapsed, tokens = decode(budget, 200, 0.95, COSTS)
    assert tokens / elapsed > 3
    assert budget.length(MAX_MATCH, COSTS) >= 6


def test_drafts_are_short_where_rows_are_dear() -> None:
    budget = DraftBudget(AcceptanceRates())
    dear = [1 + 0.5 * k for k in range(9)]
    decode(budget, 100, 0.6, dear)
    assert budget.length(MAX_MATCH, dear) <= 2


def test_short_matches_earn_no_long_drafts_until_they_have_been_right() -> None:
    rates = AcceptanceRates()
    assert DraftBudget(rates).length(1, COSTS) < DraftBudget(rates).length(MAX_MATCH, COSTS)
    for _ in range(60):
        rates.observe(1, 4, 4)
    assert DraftBudget(rates).length(1, COSTS) >= 6
