"""Options come from the command line or the environment; a wrong one is named with its limit."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from readme import options_table

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.kinds import Number, Switch, Texts
from codegen_ui.main import build_command, read_command_line, read_options
from codegen_ui.options import DEFAULT_MODEL, GROUPS, Options
from codegen_ui.table import Checked, Option, row, rows

ROOT = Path(__file__).parent.parent
URL = "http://gpu-box:8000/v1"


def test_nothing_given_means_the_documented_defaults() -> None:
    assert read_command_line([], {}) == Options()
    assert Options().model == (DEFAULT_MODEL,)


def test_every_setting_has_an_option_in_one_group_of_the_help() -> None:
    options = [one.name for tables in GROUPS.values() for table in tables for one in rows(table, Option)]
    assert sorted(options) == sorted(field.name for field in fields(Options))
    help_text = build_command().get_help(build_command().make_context("app.py", []))
    assert all(f"--{name.replace('_', '-')} " in help_text for name in options)
    assert [group for group in GROUPS if f"\n{group}:\n" not in help_text] == []


def test_an_option_that_is_added_to_the_table_is_everywhere() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Oven(Checked):
        heat: float = row(0.5, Number(0, 9), "how hot it is", only="remote")
        light: bool = row(False, Switch(), "whether one sees the cake")
        cake: tuple[str, ...] = row((), Texts(), "what is in it", unset="nothing")

    command = build_command(groups={**GROUPS, "oven": (Oven,)})
    help_text = command.get_help(command.make_context("app.py", []))
    assert re.search(r"\noven:\n +--heat N +how hot it is \(default: 0.5\)\n +--light / --no-light ", help_text)
    environ = {"CODEGEN_UI_LIGHT": "yes", "CODEGEN_UI_CAKE": "cherry,plum"}
    assert Oven(**read_options(command, [], environ)) == Oven(light=True, cake=("cherry", "plum"))
    given = read_options(command, ["--backend-url", URL, "--heat", "3", "--no-light"], environ)
    assert (given["heat"], given["light"]) == (3, False)
    with pytest.raises(InvalidInput, match=r"^heat: 10 is not allowed; it must be a number from 0 to 9\.$"):
        read_options(command, ["--heat", "10"], {})
    with pytest.raises(
        InvalidInput, match=r"heat: .3. is not allowed; it must be left out unless --backend-url is given"
    ):
        read_options(command, ["--heat", "3"], {})
    assert "| `--heat N` | `CODEGEN_UI_HEAT` | how hot it is | a number from 0 to 9 | 0.5 |" in options_table(
        {"o": (Oven,)}
    )


def test_several_models_keep_their_order() -> None:
    assert read_command_line(["--model", "b", "--model", "a"], {}).model == ("b", "a")


def test_the_environment_is_read_and_the_command_line_wins() -> None:
    environ = {"CODEGEN_UI_MODEL": "one,two", "CODEGEN_UI_SLOTS": "3", "CODEGEN_UI_LOOKUP": "off"}
    assert read_command_line([], environ).model == ("one", "two")
    assert read_command_line([], environ).lookup is False
    options = read_command_line(["--slots", "5", "--lookup"], environ)
    assert (options.slots, options.lookup) == (5, True)


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
    ],
)
def test_a_wrong_option_is_named(argv: list[str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_command_line(argv, {})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--colour", "red"], "No such option '--colour'"),
        (["--slot", "4"], "No such option '--slot'"),
        (["--slots"], "Option '--slots' requires an argument"),
        (["--lookup=on"], "Option '--lookup' does not take a value"),
        (["bundled"], r"unexpected extra argument \(bundled\)"),
    ],
)
def test_what_is_no_option_is_named(argv: list[str], words: str) -> None:
    with pytest.raises(PlaygroundError, match=f"{words}.*--help shows every option"):
        read_command_line(argv, {})


def test_a_wrong_variable_is_named_and_an_empty_one_is_none() -> None:
    assert read_command_line([], {"CODEGEN_UI_SLOTS": "", "CODEGEN_UI_ROOT_PATH": "/here/"}).root_path == "/here"
    for name, value in {"LOOKUP": "perhaps", "SLOTS": "9" * 400, "MODEL": "one,,two"}.items():
        with pytest.raises(InvalidInput, match=f"^{name.lower()}: "):
            read_command_line([], {f"CODEGEN_UI_{name}": value})


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--backend-model", "m"], "backend_model: 'm' is not allowed; it must be left out unless --backend-url is"),
        (["--backend-key-file", __file__], "backend_key_file: .* left out unless --backend-url is given as well"),
        (["--backend-url", URL, "--model", "m"], "model: 'm' is not allowed; .*--backend-model chooses the model"),
        (["--backend-url", URL, "--slots", "4"], "slots: '4' is not allowed; it must be left out where the servers of"),
        (["--backend-url", URL, "--no-lookup"], "lookup: 'off' is not allowed; it must be left out where"),
    ],
)
def test_an_option_without_effect_is_refused(argv: list[str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_command_line(argv, {})


def test_the_environment_may_hold_options_without_effect() -> None:
    unit = {"CODEGEN_UI_MODEL": "m", "CODEGEN_UI_SLOTS": "4"}
    assert read_command_line(["--backend-url", URL], unit).backend_url == (URL,)
    assert read_command_line([], {"CODEGEN_UI_BACKEND_MODEL": "m"}).backend_url == ()
    options = read_command_line(["--backend-model", "m"], {"CODEGEN_UI_BACKEND_URL": URL})
    assert (options.backend_url, options.backend_model) == ((URL,), "m")
    with pytest.raises(InvalidInput, match="--backend-model chooses the model there"):
        read_command_line(["--model", "m"], {"CODEGEN_UI_BACKEND_URL": URL})


def test_the_command_ends_with_one_line_and_no_trace() -> None:
    out = subprocess.run(
        [sys.executable, "app.py", "--slots", "0"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert out.returncode == 2
    assert out.stderr == "app.py: slots: 0 is not allowed; it must be a whole number from 1 to 256.\n"


def test_the_help_comes_at_once() -> None:
    command = [sys.executable, "-X", "importtime", "app.py", "--help"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.startswith("Usage: app.py [OPTIONS]")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in out.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"torch", "transformers", "gradio", "fastapi", "pydantic", "numpy", "httpx"}
