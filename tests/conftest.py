"""Options of the test run."""

from __future__ import annotations

import pytest


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
