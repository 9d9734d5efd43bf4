"""Which slot a stream gets, what stays in those that streams have left, and how much memory that takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_ui.engine.kv.slots import WORTH_REUSING, SlotTable, common_prefix


def ids(text: str) -> list[int]:
    return [ord(character) for character in text]


def keep(table: SlotTable, text: str) -> int:
    """A stream of this text came and went; the slot that it had."""
    slot, _ = table.take([-1], len(text), reuse=False)
    table.give_back(slot, ids(text), len(text))
    return slot


def table_of(*texts: str, slots: int = 6, keep_tokens: int = 1000, most_tokens: int | None = None) -> SlotTable:
    table = SlotTable(slots, keep_tokens=keep_tokens, most_tokens=most_tokens)
    for text in texts:
        keep(table, text)
    return table


def test_a_prompt_that_continues_a_kept_text_goes_on_in_its_slot() -> None:
    table = table_of("hello", "abcdef")
    assert table.take(ids("abcdefgh"), 20) == (1, 6)
    assert table.live == [1]


def test_a_prompt_that_repeats_the_beginning_of_a_kept_text_goes_on_there_but_for_its_last_token() -> None:
    table = table_of("hello", "abcdef")
    assert table.take(ids("abcd"), 20) == (1, 3)


def test_a_prompt_that_only_begins_alike_leaves_the_kept_text_alone_unless_much_is_alike() -> None:
    few, many = "x" * (WORTH_REUSING - 1), "x" * WORTH_REUSING
    assert table_of(few + "abc").take(ids(few + "other"), 30) == (1, 0)
    assert table_of(many + "abc").take(ids(many + "other"), 30) == (0, WORTH_REUSING)


def test_the_slot_with_most_in_common_is_taken() -> None:
    table = table_of("abcxyz", "abcdxx", "abcd")
    assert table.longest(ids("abcdxx!")) == 6
    assert table.take(ids("abcdxx!"), 10) == (1, 6)


def test_nothing_is_taken_twice_and_one_too_many_is_an_error() -> None:
    table = table_of("abc", slots=2)
    assert table.take(ids("abcd"), 9) == (0, 3)
    assert table.take(ids("abcd"), 9) == (1, 0)
    with pytest.raises(IndexError, match="live"):
        table.take(ids("x"), 9)
    with pytest.raises(ValueError, match="not in use"):
        table_of().give_back(0, [], 0)


def test_empty_slots_go_first_then_the_least_recently_used() -> None:
    table = table_of("aaaa", "bbbb", slots=3)
    assert table.take(ids("a"), 4) == (2, 0)
    table.give_back(2, ids("cccc"), 4)
    slot, _ = table.take(ids("aaaax"), 9)
    table.give_back(slot, ids("aaaax"), 5)
    assert table.take(ids("zz"), 9) == (1, 0)


def test_streams_lie_side_by_side_while_there_is_room() -> None:
    table = SlotTable(8, keep_tokens=0)
    assert [table.take([n, n], 4)[0] for n in range(4)] == [0, 1, 2, 3]
    table.give_back(1, [], 4)
    assert table.take([9, 9], 4)[0] == 1


def test_kept_tokens_stay_within_their_budget() -> None:
    table = table_of("aaaa", "bbbb", "cccc", keep_tokens=10)
    assert table.kept == 8
    assert table.longest(ids("aaaaa")) == 0
    assert table.longest(ids("ccccc")) == 4
    keep(table, "d" * 40)
    assert table.kept == 10


def test_a_text_that_another_slot_holds_takes_no_room() -> None:
    table = table_of("abc", "abcdef", "abcd")
    assert table.kept == 6
    assert not table.faults()


def test_memory_is_given_back_where_streams_might_grow_beyond_what_was_promised() -> None:
    table = table_of("a" * 10, "b" * 10, "c" * 10, slots=8, most_tokens=64)
    table.take(ids("x"), 30)
    assert table.released() == []
    table.take(ids("y"), 30)
    assert table.released() == [0, 1, 2]
    assert (table.kept, table.released()) == (0, [])


def test_nothing_is_kept_without_a_budget() -> None:
    table = table_of("abc", keep_tokens=0)
    assert (table.kept, table.longest(ids("abcd"))) == (0, 0)


@given(st.lists(st.text("ab", min_size=1, max_size=24), max_size=12), st.text("ab", min_size=1, max_size=24))
def test_what_is_found_is_the_best_of_what_is_kept(texts: list[str], prompt: str) -> None:
    table = table_of(*texts, slots=14)
    best = max((common_prefix(text, prompt[:-1]) for text in texts), default=0)
    found = table.longest(ids(prompt))
    assert found == best or (found == 0 and best < WORTH_REUSING)
    assert not table.faults()


@given(st.data())
def test_the_table_is_sound_whatever_comes_and_goes(data: st.DataObject) -> None:
    table = SlotTable(5, keep_tokens=30, most_tokens=90)
    live: dict[int, list[int]] = {}
    for _ in range(data.draw(st.integers(0, 40))):
        if live and (len(live) == 3 or data.draw(st.booleans())):
            slot = data.draw(st.sampled_from(sorted(live)))
            text = live.pop(slot)
            table.give_back(slot, text if data.draw(st.booleans()) else [], len(text))
        else:
            text = ids(data.draw(st.text("ab", min_size=1, max_size=20)))
            slot, computed = table.take(text, 20)
            assert slot not in live
            assert computed < len(text)
            live[slot] = text
        assert sorted(live) == table.live
        assert table.touched <= 90
        assert not table.faults()


@given(st.text("ab"), st.text("ab"), st.integers(0, 100))
def test_common_prefix_agrees_with_counting(a: str, b: str, alike: int) -> None:
    a, b = "c" * alike + a, "c" * alike + b
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    assert common_prefix(a, b) == count
