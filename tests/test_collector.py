"""The garbage collector: it looks at what requests make, and no more at what lives as long as the server."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from codegen_ui.collector import spare, uncollected
from codegen_ui.server import spare_loaded
from codegen_ui.status import ModelStatus, Phase


class Knot:
    """Held by itself alone: garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_lives_on_is_looked_at_no_more() -> None:
    kept = [Knot() for _ in range(1000)]
    assert any(one is kept[0] for one in gc.get_objects())
    spare()
    assert not any(one is kept[0] for one in gc.get_objects())


def test_what_is_made_later_is_still_collected() -> None:
    spare()
    later = weakref.ref(Knot())
    gc.collect()
    assert later() is None


def test_the_next_full_collection_does_not_wait_for_a_quarter_of_what_lives_on() -> None:
    lives_on: list[list[int]] = [[] for _ in range(500_000)]
    spare()
    knot = Knot()
    gc.collect(1)  # it has lived for a while: only a full collection looks at it now
    later = weakref.ref(knot)
    del knot
    made: list[list[int]] = [[] for _ in range(100_000)]
    assert later() is None
    assert len(lives_on) > 4 * len(made)


def test_what_a_model_left_behind_goes_when_the_next_has_loaded() -> None:
    old = Knot()
    left = weakref.ref(old)
    spare_loaded(ModelStatus("first", Phase.READY))
    del old
    gc.collect()
    assert left() is not None
    spare_loaded(ModelStatus("second", Phase.LOADING))
    assert left() is not None
    spare_loaded(ModelStatus("second", Phase.READY))
    assert left() is None


def test_nothing_is_collected_while_much_is_made() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
