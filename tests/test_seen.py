"""What a repetition penalty concerns: each token once, as far as it can be drawn."""

from __future__ import annotations

from codegen_ui.engine.seen import Seen


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
