"""How prompt and completion share the context."""

from __future__ import annotations

import pytest

from codegen_ui.engine.room import Room, fit_prompt
from codegen_ui.errors import InvalidInput


def test_max_length_counts_prompt_and_completion_together() -> None:
    assert fit_prompt(100, 512, None, 2048) == Room(100, 412)


def test_a_prompt_over_the_context_keeps_three_quarters_of_max_length() -> None:
    assert fit_prompt(5000, 512, None, 2048) == Room(384, 128)
    assert fit_prompt(2048, 2048, None, 2048) == Room(1536, 512)
    assert fit_prompt(5000, 2, None, 2048) == Room(1, 1)


def test_a_prompt_that_fits_but_leaves_no_room_is_refused_at_max_length() -> None:
    with pytest.raises(InvalidInput, match=r"512 is not allowed.*prompt's 600 tokens") as caught:
        fit_prompt(600, 512, None, 2048)
    assert caught.value.field == "max_length"


def test_the_last_position_can_be_used() -> None:
    assert fit_prompt(2047, 2048, None, 2048) == Room(2047, 1)


def test_max_length_over_the_models_context_is_refused_with_the_limit() -> None:
    with pytest.raises(InvalidInput, match=r"2048 is not allowed.*1024 tokens"):
        fit_prompt(10, 2048, None, 1024)


def test_max_new_tokens_bounds_the_completion_alone() -> None:
    assert fit_prompt(100, 512, 16, 2048) == Room(100, 16)
    assert fit_prompt(600, 512, 16, 2048) == Room(600, 16)
    assert fit_prompt(2040, 512, 16, 2048) == Room(2040, 8)
    assert fit_prompt(9000, 512, 16, 2048) == Room(2032, 16)


def test_max_new_tokens_must_leave_room_for_a_prompt() -> None:
    with pytest.raises(InvalidInput, match="max_new_tokens"):
        fit_prompt(1, 512, 1024, 1024)
