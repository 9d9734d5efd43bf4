"""Options of the test run, what is left out where torch is missing, a browser, and what must hold in every test."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib.util
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from hypothesis import settings
from torchless import needs_torch

from codegen_ui.collector import spare
from codegen_ui.engine.threads import wait_briefly

WITHOUT_TORCH = importlib.util.find_spec("torch") is None
"""As on the Pythons that the whole check tests beside the first: torch's builds for them are several GB."""
collect_ignore = [str(path) for path in Path(__file__).parent.glob("test_*.py") if WITHOUT_TORCH and needs_torch(path)]

SAME_ANYWHERE = (
    *("test_docs.py", "test_imports.py", "test_loop.py", "test_remote.py", "test_load.py"),
    *("test_schema.py", "test_api_fuzz.py", "test_fuzz.py"),
)
"""Files that another Python need not run: they read this project's own text, measure and wait out times, or make up
requests by the thousand."""

LONGEST = ("test_memory.py", "test_browser.py", "test_accessible.py", "test_compare.py", "test_faults.py")
"""Files that take longest come first: at the end of a run on several cores none is left alone with one of them."""

# Nothing of what is imported for the tests is garbage, and no later collection need look at it.
gc.disable()

# As in the command itself, and before a test imports torch: other tests want the cores as well.
wait_briefly()

# Each new client of httpx reads the world's certificates, in 35 ms and more memory than a tab takes; those of the tests
# speak to this machine alone.
ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]

# A machine that is busy with something else is no fault of what is tested.
settings.register_profile("patient", deadline=None)
settings.register_profile("another-python", deadline=None, max_examples=20)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole-standard-library",
        action="store_true",
        help="judge the end of the function on every function and class of the standard library, not on a sample",
    )
    parser.addoption(
        "--fuzz-cases",
        type=int,
        default=5000,
        help="how many hostile requests are sent to the page and the API",
    )
    parser.addoption(
        "--another-python",
        action="store_true",
        help="leave out what is the same on every Python, and make up fewer inputs: one Python has seen them all",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("another_python"):
        settings.load_profile("another-python")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("another_python") and collection_path.name in SAME_ANYWHERE else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in items:
        if WITHOUT_TORCH and item.get_closest_marker("model"):
            item.add_marker(pytest.mark.skip(reason="torch is not installed"))
        if config.getoption("another_python") and item.get_closest_marker("cost"):
            item.add_marker(pytest.mark.skip(reason="what it costs was seen on one Python"))


def pytest_collection_finish() -> None:
    spare()
    gc.enable()


@pytest.fixture(scope="session")
def chromium_process() -> Iterator[tuple[Any, asyncio.AbstractEventLoop]]:
    """A real Chromium, one for all tests of a process, and the event loop that playwright drives it by."""
    with chromium() as found:
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield found, loop
        asyncio._set_running_loop(loop)


@pytest.fixture(scope="module")
def browser(chromium_process: tuple[Any, asyncio.AbstractEventLoop]) -> Iterator[Any]:
    """That Chromium, for the tests of a file: a `Browser` of playwright's.

    Its loop counts as the running one meanwhile, and no longer, for other tests run loops of their own.
    """
    found, loop = chromium_process
    asyncio._set_running_loop(loop)
    yield found
    asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def bundled() -> Iterator[str]:
    """Where the real app answers, over the bundled checkpoint: one for all tests of a process."""
    from visit import bundled_page

    with bundled_page() as found:
        yield found


@pytest.fixture(scope="session")
def address(bundled: str) -> str:
    """What the tests of a file visit; files that visit another page say so."""
    return bundled


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A fresh visitor's tab there."""
    from visit import tab

    with tab(browser, address) as found:
        yield found


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For the tests of a file that compute with tiny models; see `tiny`."""
    from tiny import one_thread

    with one_thread():
        yield


class Complaints(logging.Handler):
    """Collects what idle engines find wrong with themselves."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "idle engine" in record.getMessage():
            self.found.append(record.getMessage())


@pytest.fixture(autouse=True)
def complaints() -> Iterator[list[str]]:
    """An engine that rests looks for what is left over: whatever a test is about, there must be nothing."""
    handler = Complaints()
    logger = logging.getLogger("codegen_ui.engine.core")
    logger.addHandler(handler)
    yield handler.found
    logger.removeHandler(handler)
    assert not handler.found
