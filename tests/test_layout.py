"""How a step is laid out: rows, positions, and which slots share an attention call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_ui.engine.model.layout import Segment, StepLayout, lay_out


def plan(segments: list[Segment], *, slots: int = 8, length: int = 100, call_tokens: int = 64) -> StepLayout:
    return lay_out(segments, slots=slots, length=length, vocabulary=1000, call_tokens=call_tokens)


def decode(slot: int, start: int) -> Segment:
    return Segment(slot, start, [slot])


def test_logits_come_back_in_the_order_of_the_segments() -> None:
    made = plan([Segment(3, 0, [30, 31, 32], logits=2), decode(5, 9), decode(1, 4)])
    assert [made.tokens[row] for row in made.logits] == [31, 32, 5, 1]


def test_neighbouring_slots_of_like_length_share_a_call() -> None:
    made = plan([decode(2, 10), decode(1, 12), decode(3, 11)])
    assert [(g.slot, g.slots, g.length) for g in made.groups] == [(1, 3, 13)]


def test_a_slot_much_longer_than_its_neighbours_gets_its_own_call() -> None:
    made = plan([decode(0, 3), decode(1, 90), decode(2, 5)])
    assert [(g.slot, g.slots) for g in made.groups] == [(0, 1), (1, 1), (2, 1)]


def test_slots_with_a_gap_between_them_do_not_share() -> None:
    assert [(g.slot, g.slots) for g in plan([decode(0, 3), decode(2, 3)]).groups] == [(0, 1), (2, 1)]


def test_only_what_hides_positions_has_a_mask() -> None:
    first, later, alone = (
        plan([Segment(0, 0, [1, 2])]).groups[0],
        plan([Segment(0, 5, [1, 2])]).groups[0],
        plan([decode(0, 5)]).groups[0],
    )
    assert (first.causal, first.needs_mask) == (True, False)
    assert (later.causal, later.needs_mask) == (False, True)
    assert (alone.causal, alone.needs_mask) == (False, False)


def test_lengths_may_be_rounded_up_where_a_mask_hides_what_is_beyond() -> None:
    segments = [decode(0, 5), Segment(1, 3, [1, 2]), Segment(2, 0, [1, 2, 3])]
    groups = lay_out(segments, slots=8, length=12, vocabulary=100, call_tokens=0, round_to=8).groups
    assert [(group.length, group.needs_mask, group.causal) for group in groups] == [
        (8, True, False),
        (8, True, False),
        (3, False, True),
    ]
    (longest,) = lay_out([decode(0, 9)], slots=8, length=12, vocabulary=100, call_tokens=0, round_to=8).groups
    assert longest.length == 12, "no more than the cache holds"


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([], "at least one segment"),
        ([decode(1, 0), decode(1, 1)], "only one segment"),
        ([decode(8, 0)], "slot 8 is not"),
        ([Segment(0, 99, [1, 2])], "positions 99 to 101"),
        ([Segment(0, 0, [])], "are empty"),
        ([Segment(0, 0, [1], logits=2)], "logits of 2"),
        ([Segment(0, 0, [1000])], "token of slot 0"),
    ],
)
def test_what_does_not_fit_is_refused(segments: list[Segment], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(segments)


@given(
    st.dictionaries(
        st.integers(0, 7), st.tuples(st.integers(0, 90), st.integers(1, 10), st.integers(0, 10)), min_size=1
    ),
    st.randoms(use_true_random=False),
    st.sampled_from([0, 64, 8192]),
)
def test_every_row_is_in_one_group_and_every_group_sees_all_of_its_slots(
    lengths: dict[int, tuple[int, int, int]], random: object, call_tokens: int
) -> None:
    segments = [
        Segment(slot, start, [slot * 100 + i for i in range(count)], logits=min(wanted, count))
        for slot, (start, count, wanted) in lengths.items()
    ]
    random.shuffle(segments)  # type: ignore[attr-defined]
    made = plan(segments, call_tokens=call_tokens)
    covered = [row for group in made.groups for row in range(*group.rows.indices(len(made.tokens)))]
    assert covered == list(range(len(made.tokens)))
    for group in made.groups:
        rows = range(*group.rows.indices(len(made.tokens)))
        assert [made.slots[row] for row in rows] == [
            group.slot + i for i in range(group.slots) for _ in range(group.tokens)
        ]
        assert max(made.positions[row] for row in rows) + 1 == group.length
    wanted_rows = [token for s in segments for token in list(s.tokens)[len(s.tokens) - s.logits :]]
    assert [made.tokens[row] for row in made.logits] == wanted_rows
