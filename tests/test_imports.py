"""The import law: dependencies run from the surfaces to the model, never back."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "codegen_ui"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
SERVED_OF_BUNDLED = ["bundled/__init__.py", "bundled/common_code.py"]
MAY_IMPORT_TRANSFORMERS = ("engine/streamer.py", "checkpoints", "export", "bundled/", "bench/")


@cache
def imported(module: str) -> set[str]:
    """Every dotted name that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def uses(module: str, *packages: str) -> set[str]:
    return {name for name in imported(module) for p in packages if name == p or name.startswith(p + ".")}


def users(modules: Iterable[str], *packages: str) -> dict[str, set[str]]:
    """Which of the modules import any of the packages, and what of them."""
    return {module: found for module in modules if (found := uses(module, *packages))}


def within(*folders: str) -> list[str]:
    return [module for module in MODULES if module.startswith(folders)]


def test_the_engine_knows_nothing_of_pages_or_http() -> None:
    surfaces = ("gradio", "fastapi", "starlette", "codegen_ui.ui", "codegen_ui.api", "codegen_ui.service")
    assert users(within("engine/"), *surfaces) == {}


def test_the_page_and_the_api_do_not_know_each_other_nor_the_engine() -> None:
    assert users(within("ui/"), "codegen_ui.api", "codegen_ui.engine", "torch") == {}
    assert users(within("api/"), "codegen_ui.ui", "codegen_ui.engine", "torch") == {}


def test_transformers_is_met_in_few_places() -> None:
    assert users(set(MODULES) - set(within(*MAY_IMPORT_TRANSFORMERS)), "transformers") == {}


def test_the_command_line_is_read_by_the_command_alone() -> None:
    assert users(MODULES, "codegen_ui.main") == {}


def test_what_serves_does_not_know_the_recipe_that_trained_the_bundled_checkpoint() -> None:
    allowed = {"codegen_ui.bundled", *(f"codegen_ui.bundled.{name}" for name in ("CHECKPOINT_DIR", "common_code"))}
    for module in [*(set(MODULES) - set(within("bundled/"))), *SERVED_OF_BUNDLED]:
        found = uses(module, "codegen_ui.bundled")
        recipe = {name for name in found if name not in allowed and name.rpartition(".")[0] not in allowed}
        assert recipe == set(), module


LOOK = """
import json, sys
stubs = []
sys.addaudithook(lambda event, told: event == "open" and str(told[0]).endswith(".pyi") and stubs.append(told[0]))
import codegen_ui.server
print(json.dumps({"modules": list(sys.modules), "stubs": stubs}))
"""


@pytest.fixture(scope="module")
def started() -> dict[str, list[str]]:
    """What a process that has imported the server has imported with it, and which type stubs it has opened."""
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_the_page_is_ready_before_torch_and_transformers_are_imported(started: dict[str, list[str]]) -> None:
    assert not {"torch", "transformers"} & set(started["modules"])


def test_gradio_is_imported_without_writing_the_stubs_of_its_components(started: dict[str, list[str]]) -> None:
    assert "gradio.components.html" in started["modules"]
    assert started["stubs"] == []


def test_what_judges_generated_code_in_the_browser_is_never_imported_by_the_server(
    started: dict[str, list[str]],
) -> None:
    assert "codegen_ui.ui.views.check_runner" not in started["modules"]
    users = [path for path in PACKAGE.rglob("*.py") if "import check_runner" in path.read_text(encoding="utf-8")]
    assert users == []
