"""A device whose operators are wrong for a whole vocabulary does not draw the tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from codegen_ui.engine import sampler as sampling
from codegen_ui.engine import trust
from codegen_ui.engine.filters import Columns
from codegen_ui.engine.sampler import RowParams, Sampler, draw_together
from codegen_ui.engine.trust import drawn_on, trusted_sampler
from codegen_ui.request import SamplingParams

CPU, OTHER = torch.device("cpu"), torch.device("mps")
VOCABULARY, DECODABLE = 51200, 50295


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of the other device is computed here, by the operators that other devices have."""
    original = drawn_on

    def on(device: torch.device, sampler: Sampler, vocabulary: int) -> Any:
        with monkeypatch.context() as patched:
            if device == OTHER:
                patched.setattr(sampling, "draw_apart", together)
            return original(CPU, sampler, vocabulary)

    monkeypatch.setattr(trust, "drawn_on", on)


def together(scores: torch.Tensor, rows: list[RowParams]) -> torch.Tensor:
    return draw_together(scores, Columns.of([(row.sampling, row.uniform) for row in rows], CPU))


def on_host(sampler: Sampler) -> bool:
    return sampler._on_host


@pytest.mark.usefixtures("device")
def test_a_device_that_is_right_draws_itself(caplog: pytest.LogCaptureFixture) -> None:
    assert not on_host(trusted_sampler(DECODABLE, VOCABULARY, OTHER))
    assert not caplog.records


@pytest.mark.usefixtures("device")
def test_a_sort_that_is_wrong_far_behind_is_noticed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = torch.Tensor.sort

    def wrong(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        values, ids = original(tensor, *args, **kwargs)
        return values, ids.index_fill(-1, torch.arange(256, ids.shape[-1]), 0)

    monkeypatch.setattr(torch.Tensor, "sort", wrong)
    assert on_host(trusted_sampler(DECODABLE, VOCABULARY, OTHER))
    assert "tokens are drawn on the CPU, not on mps" in caplog.text


@pytest.mark.usefixtures("device")
def test_an_operator_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*args: Any) -> Any:
        raise NotImplementedError("'aten::searchsorted' is not implemented for MPS")

    monkeypatch.setattr(sampling, "draw_together", missing)
    monkeypatch.setitem(globals(), "draw_together", missing)
    assert on_host(trusted_sampler(DECODABLE, VOCABULARY, OTHER))
    assert "'aten::searchsorted' is not implemented for MPS" in caplog.text


def test_rounding_does_not_decide_what_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of 50,000 numbers in float32 are off by less than a thousandth."""
    sampler = Sampler(DECODABLE)
    expected = drawn_on(CPU, sampler, VOCABULARY)
    original = trust.rows_of_each_kind
    for off in (-1e-3, 1e-3):
        moved = lambda ids, off=off: [  # noqa: E731
            RowParams(row.sampling, row.uniform + off, row.seen, logprobs=True) for row in original(ids)
        ]
        monkeypatch.setattr(trust, "rows_of_each_kind", moved)
        assert drawn_on(CPU, sampler, VOCABULARY) == expected


def test_a_sampler_on_the_host_draws_what_any_other_draws() -> None:
    logits = torch.randn(3, 100, generator=torch.Generator().manual_seed(3))
    rows = [RowParams(SamplingParams(temperature=t), 0.4, logprobs=True) for t in (0.0, 0.7, 1.0)]
    assert Sampler(100, on_host=True).draw(logits, rows) == Sampler(100).draw(logits, rows)
