"""A request is validated once; the message names the field, the value and the limit."""

from __future__ import annotations

import math

import pytest

from codegen_ui.errors import InvalidInput, shorten
from codegen_ui.request import GenerationRequest, StopAt


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_length", 1),
        ("max_length", 2049),
        ("max_length", 12.5),
        ("max_length", True),
        ("max_length", "512"),
        ("max_new_tokens", 0),
        ("temperature", -0.1),
        ("temperature", 5.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_p", 0),
        ("top_p", 1.5),
        ("top_k", -1),
        ("min_p", 1),
        ("repetition_penalty", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("stop", [""]),
        ("stop", ["x"] * 17),
        ("stop", ["x" * 201]),
        ("stop", 5),
        ("stop_at", "never"),
        ("logprobs", 6),
        ("deadline_seconds", 0),
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        GenerationRequest("x", **{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert caught.value.limit in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("", "''"),
        ("a\0b", "NUL byte at character 1"),
        ("ab\ud800", "lone surrogate at character 2"),
        ("x" * 1_048_576, "1,048,576 characters"),
        ([], "[]"),
        ([1, -2], "-2"),
        (["a"], "a"),
        (b"bytes", "bytes"),
        (None, "None"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_with_the_reason(prompt: object, found: str) -> None:
    with pytest.raises(InvalidInput, match=r"^prompt: ") as caught:
        GenerationRequest(prompt)  # type: ignore[arg-type]
    assert found in str(caught.value)


def test_bounds_themselves_are_allowed() -> None:
    request = GenerationRequest(
        "x", max_length=2048, temperature=5, top_p=1, top_k=0, min_p=0, repetition_penalty=5, seed=2**63 - 1
    )
    assert request.sampling.seed == 2**63 - 1
    assert request.stop_at is StopAt.FUNCTION


def test_a_whole_float_from_a_slider_counts_as_an_integer() -> None:
    request = GenerationRequest("x", max_length=512.0, top_k=40.0)  # type: ignore[arg-type]
    assert (request.max_length, request.sampling.top_k) == (512, 40)


def test_one_stop_string_and_a_list_of_token_ids_are_accepted() -> None:
    request = GenerationRequest([5, 6], stop="\n", stop_at="eos")
    assert (request.prompt, request.stop, request.stop_at) == ((5, 6), ("\n",), StopAt.EOS)


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(shorten("x" * 1000)) == 60
