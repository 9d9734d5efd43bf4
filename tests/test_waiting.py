"""How threads are told to wait."""

from __future__ import annotations

from codegen_ui.engine.waiting import wait_briefly


def test_threads_spin_briefly_unless_the_operator_has_chosen() -> None:
    chosen: list[dict[str, str]] = [{}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}]
    for environ in chosen:
        wait_briefly(environ)
    assert chosen == [{"GOMP_SPINCOUNT": "10000"}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}]
