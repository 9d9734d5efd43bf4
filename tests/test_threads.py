"""How threads are told to wait."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codegen_ui.engine.threads import in_own_thread, wait_briefly


def test_threads_spin_briefly_unless_the_operator_has_chosen() -> None:
    chosen: list[dict[str, str]] = [{}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}]
    for environ in chosen:
        wait_briefly(environ)
    assert chosen == [{"GOMP_SPINCOUNT": "10000"}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux does")
@pytest.mark.model
def test_a_model_that_is_loaded_and_idle_keeps_no_threads_of_openmp() -> None:
    program = """
import os, sys, time, torch, codegen_ui
threads = lambda: len(os.listdir("/proc/self/task"))
torch.set_num_threads(2)
before = threads()
with codegen_ui.load("bundled") as engine:
    text = engine.submit(codegen_ui.GenerationRequest("def f(", max_new_tokens=8)).result().text
    deadline = time.monotonic() + 20
    while threads() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    print(threads() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "0", done.stdout + done.stderr


def test_what_a_thread_of_its_own_returns_or_raises_comes_back() -> None:
    assert in_own_thread(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        in_own_thread(lambda: 1 // 0)
