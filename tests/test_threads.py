"""How threads are told to wait."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codegen_ui.engine.threads import cpu_quota, in_own_thread, use_threads, wait_briefly


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


def groups(folder: Path, **files: str) -> Path:
    """Control groups with these files; `__` stands for a folder, `_dot_` for a dot."""
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii")
    return folder


def test_a_containers_cpu_quota_is_found(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/\n", encoding="ascii")
    assert cpu_quota(groups(tmp_path / "two", cpu_dot_max="150000 100000\n"), own) == 1.5
    assert cpu_quota(groups(tmp_path / "free", cpu_dot_max="max 100000\n"), own) is None
    one = groups(tmp_path / "one", cpu__cpu_dot_cfs_quota_us="200000\n", cpu__cpu_dot_cfs_period_us="100000\n")
    assert cpu_quota(one, own) == 2.0
    unbounded = groups(tmp_path / "none", cpu__cpu_dot_cfs_quota_us="-1\n", cpu__cpu_dot_cfs_period_us="100000\n")
    assert cpu_quota(unbounded, own) is None
    assert cpu_quota(tmp_path / "nothing", tmp_path / "nobody") is None


def test_the_least_quota_of_all_groups_around_this_process_counts(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/pod/container\n", encoding="ascii")
    root = groups(
        tmp_path / "groups", pod__cpu_dot_max="300000 100000\n", pod__container__cpu_dot_max="400000 100000\n"
    )
    assert cpu_quota(root, own) == 3.0


@pytest.mark.model
def test_threads_are_as_asked_for_or_as_the_quota_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        monkeypatch.setattr("codegen_ui.engine.threads.cpu_quota", lambda: None)
        torch.set_num_threads(4)
        assert use_threads(None) == 4
        assert use_threads(3) == 3
        monkeypatch.setattr("codegen_ui.engine.threads.cpu_quota", lambda: 2.5)
        torch.set_num_threads(4)
        assert use_threads(None) == 2
        monkeypatch.setattr("codegen_ui.engine.threads.cpu_quota", lambda: 0.5)
        assert use_threads(None) == 1
        assert use_threads(6) == torch.get_num_threads() == 6
    finally:
        torch.set_num_threads(before)
