"""Options come from the command line or the environment; a wrong one is named with its limit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from codegen_ui.errors import InvalidInput
from codegen_ui.settings import DEFAULT_MODEL, Settings, build_parser, read_settings

ROOT = Path(__file__).parent.parent


def test_nothing_given_means_the_documented_defaults() -> None:
    assert read_settings([], {}) == Settings()
    assert Settings().model == (DEFAULT_MODEL,)


def test_every_setting_has_an_option() -> None:
    options = {action.dest for action in build_parser()._actions} - {"help"}
    assert options == {field.name for field in fields(Settings)}


def test_several_models_keep_their_order() -> None:
    assert read_settings(["--model", "b", "--model", "a"], {}).model == ("b", "a")


def test_the_environment_is_read_and_the_command_line_wins() -> None:
    environ = {"CODEGEN_UI_MODEL": "one,two", "CODEGEN_UI_SLOTS": "3", "CODEGEN_UI_LOOKUP": "off"}
    assert read_settings([], environ).model == ("one", "two")
    assert read_settings([], environ).lookup is False
    settings = read_settings(["--slots", "5", "--lookup"], environ)
    assert (settings.slots, settings.lookup) == (5, True)


@pytest.mark.parametrize(
    ("argv", "field"),
    [
        (["--slots", "0"], "slots"),
        (["--slots", "many"], "slots"),
        (["--port", "70000"], "port"),
        (["--device", "tpu"], "device"),
        (["--dtype", "int8"], "dtype"),
        (["--quantize", "int4"], "quantize"),
        (["--deadline-seconds", "0"], "deadline_seconds"),
        (["--prefix-cache-mb", "-1"], "prefix_cache_mb"),
        (["--examples", "/nowhere"], "examples"),
        (["--api-key-file", "/nowhere"], "api_key_file"),
        (["--root-path", "x"], "root_path"),
        (["--model", " "], "model"),
        (["--colour", "red"], "command line"),
        (["--slots"], "command line"),
    ],
)
def test_a_wrong_option_is_named(argv: list[str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_settings(argv, {})
    assert caught.value.field == field


URL = "http://gpu-box:8000/v1"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--backend-model", "m"], "backend_model: 'm' is not allowed; it must be left out unless --backend-url is"),
        (["--backend-key-file", __file__], "backend_key_file: .* left out unless --backend-url is given as well"),
        (["--backend-url", URL, "--model", "m"], "model: .'m'. is not allowed; .*--backend-model chooses the model"),
        (["--backend-url", URL, "--slots", "4"], "slots: '4' is not allowed; it must be left out where the servers of"),
        (["--backend-url", URL, "--no-lookup"], "lookup: False is not allowed; it must be left out where"),
    ],
)
def test_an_option_without_effect_is_refused(argv: list[str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_settings(argv, {})


def test_the_environment_may_hold_options_without_effect() -> None:
    unit = {"CODEGEN_UI_MODEL": "m", "CODEGEN_UI_SLOTS": "4"}
    assert read_settings(["--backend-url", URL], unit).backend_url == (URL,)
    assert read_settings([], {"CODEGEN_UI_BACKEND_MODEL": "m"}).backend_url == ()
    settings = read_settings(["--backend-model", "m"], {"CODEGEN_UI_BACKEND_URL": URL})
    assert (settings.backend_url, settings.backend_model) == ((URL,), "m")
    with pytest.raises(InvalidInput, match="--backend-model chooses the model there"):
        read_settings(["--model", "m"], {"CODEGEN_UI_BACKEND_URL": URL})


def test_the_command_ends_with_one_line_and_no_trace() -> None:
    out = subprocess.run(
        [sys.executable, "app.py", "--slots", "0"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert out.returncode == 2
    assert out.stderr == "app.py: slots: 0 is not allowed; it must be a whole number from 1 to 256.\n"
