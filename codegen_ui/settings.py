"""Command line and environment become one frozen `Settings`, read once by `app.py`."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NoReturn

from codegen_ui.engine.options import DEVICES, DTYPES, QUANTIZE
from codegen_ui.errors import InvalidInput
from codegen_ui.gallery import shipped_examples
from codegen_ui.request import check_integer, check_number

DEFAULT_MODEL = "Salesforce/codegen-350M-mono"
DEFAULT_PORT = 7860
ENVIRONMENT_PREFIX = "CODEGEN_UI_"


@dataclass(frozen=True)
class Settings:
    """What the operator chose. Fields have the options' names; see `--help` for their meaning."""

    model: tuple[str, ...] = (DEFAULT_MODEL,)
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantize: str = "auto"
    slots: int | None = None
    max_waiting: int = 64
    deadline_seconds: float = 300.0
    prefix_cache_mb: int = 512
    lookup: bool = True
    prefill_chunk: int | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    root_path: str = ""
    examples: Path = field(default_factory=shipped_examples)
    api_key_file: Path | None = None
    log_prompts: bool = False
    backend_url: tuple[str, ...] = ()
    backend_model: str | None = None
    backend_key_file: Path | None = None


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are `InvalidInput`, like everybody else's."""

    def error(self, message: str) -> NoReturn:
        raise InvalidInput("command line", message, "as shown by --help")


def build_parser() -> argparse.ArgumentParser:
    """Every option with its help; no defaults, so that what was not given can come from the environment."""
    parser = Parser(
        prog="app.py",
        description="A browser playground for CodeGen models.",
        epilog=f"Every option can also be set by an environment variable: {ENVIRONMENT_PREFIX} and its name in "
        f"capitals, such as {ENVIRONMENT_PREFIX}MODEL (several values separated by commas). The command line wins.",
        argument_default=argparse.SUPPRESS,
        formatter_class=functools.partial(argparse.HelpFormatter, width=110, max_help_position=28),
        allow_abbrev=False,
    )
    models = parser.add_argument_group("model")
    models.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help=f"a hub id, a local folder, or 'bundled'; repeat it to let visitors choose (default: {DEFAULT_MODEL})",
    )
    models.add_argument(
        "--revision", metavar="NAME", help="branch, tag or commit of the hub repository (default: main)"
    )
    models.add_argument("--device", metavar="NAME", help=f"{', '.join(DEVICES)}; ROCm is 'cuda' (default: auto)")
    models.add_argument(
        "--dtype", metavar="NAME", help=f"{', '.join(DTYPES)}; auto is float32 on CPU, float16 elsewhere"
    )
    models.add_argument(
        "--quantize", metavar="NAME", help=f"{', '.join(QUANTIZE)}: 8-bit weights on CPU (default: auto)"
    )
    engine = parser.add_argument_group("engine")
    engine.add_argument("--slots", metavar="N", help="streams decoded together (default: chosen by free memory)")
    engine.add_argument("--max-waiting", metavar="N", help="requests that may wait in the queue (default: 64)")
    engine.add_argument("--deadline-seconds", metavar="N", help="the longest a request may take (default: 300)")
    engine.add_argument(
        "--prefix-cache-mb", metavar="N", help="MiB for the KV cache of earlier prompts; 0 is off (default: 512)"
    )
    engine.add_argument(
        "--lookup", action=argparse.BooleanOptionalAction, help="prompt-lookup speculation (default: on)"
    )
    engine.add_argument(
        "--prefill-chunk", metavar="N", help="prompt tokens prefilled per step (default: adapts to the step time)"
    )
    server = parser.add_argument_group("server")
    server.add_argument("--host", metavar="ADDRESS", help="address to listen on; 0.0.0.0 for all (default: 127.0.0.1)")
    server.add_argument(
        "--port", metavar="N", help=f"port to listen on (default: the first free one from {DEFAULT_PORT})"
    )
    server.add_argument(
        "--root-path", help="path prefix that a reverse proxy serves the page under, such as /playground"
    )
    server.add_argument("--examples", metavar="FOLDER", help="folder of example prompts (default: examples/)")
    server.add_argument("--api-key-file", metavar="FILE", help="keys that may use the API, one a line (default: open)")
    server.add_argument(
        "--log-prompts", action=argparse.BooleanOptionalAction, help="write prompts into the log (default: off)"
    )
    backend = parser.add_argument_group("remote backend")
    backend.add_argument(
        "--backend-url",
        action="append",
        metavar="URL",
        help="OpenAI-compatible server to generate with, such as http://host:8000/v1; repeat it to spread the load",
    )
    backend.add_argument("--backend-model", metavar="NAME", help="the model's name there (default: the first it lists)")
    backend.add_argument("--backend-key-file", metavar="FILE", help="file with the key to send there")
    return parser


def read_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings in force. Raises `InvalidInput` naming the option, its value and the limit."""
    given: dict[str, object] = {}
    for known in fields(Settings):
        value = environ.get(ENVIRONMENT_PREFIX + known.name.upper())
        if value:
            given[known.name] = value
    typed = vars(build_parser().parse_args(list(argv)))
    given.update(typed)
    settings = Settings(**{name: convert(name, value) for name, value in given.items()})  # type: ignore[arg-type]
    check_used(typed, remote=bool(settings.backend_url))
    return settings


def check_used(typed: Mapping[str, object], *, remote: bool) -> None:
    """Raises `InvalidInput` for an option on the command line that would have no effect.

    The environment may hold such options: it is often shared between servers that differ in one of them.
    """
    for name in LOCAL_ONLY if remote else REMOTE_ONLY:
        if name not in typed:
            continue
        if not remote:
            raise InvalidInput(name, typed[name], "left out unless --backend-url is given as well")
        instead = "; --backend-model chooses the model there" if name == "model" else ""
        raise InvalidInput(name, typed[name], f"left out where the servers of --backend-url generate{instead}")


def convert(name: str, value: object) -> object:
    """An option's text as the type that `Settings` wants. Raises `InvalidInput`."""
    if name in ("model", "backend_url"):
        values = value.split(",") if isinstance(value, str) else value
        assert isinstance(values, Sequence)
        return tuple(check_words(name, item) for item in values)
    if name in ("slots", "max_waiting", "prefix_cache_mb", "prefill_chunk", "port"):
        low, high = INTEGER_LIMITS[name]
        return check_integer(name, parse_number(name, value, f"a whole number from {low} to {high}"), low, high)
    if name == "deadline_seconds":
        return check_number(name, parse_number(name, value, "a number of seconds"), 1, 86_400)
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise InvalidInput(name, value, f"one of {', '.join(CHOICES[name])}")
        return value
    if name in ("lookup", "log_prompts"):
        return parse_switch(name, value)
    if name == "examples":
        return existing(name, value, folder=True)
    if name in ("api_key_file", "backend_key_file"):
        return existing(name, value, folder=False)
    if name == "root_path":
        return check_root_path(value)
    return check_words(name, value)


LOCAL_ONLY = (
    "model",
    "revision",
    "device",
    "dtype",
    "quantize",
    "slots",
    "max_waiting",
    "prefix_cache_mb",
    "lookup",
    "prefill_chunk",
)
"""Options of the engine on this machine."""
REMOTE_ONLY = ("backend_model", "backend_key_file")
INTEGER_LIMITS = {
    "slots": (1, 256),
    "max_waiting": (1, 10_000),
    "prefix_cache_mb": (0, 1_000_000),
    "prefill_chunk": (1, 2048),
    "port": (1, 65_535),
}
CHOICES = {"device": DEVICES, "dtype": DTYPES, "quantize": QUANTIZE}
SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def parse_number(name: str, value: object, limit: str) -> float:
    try:
        number = float(str(value))
        return int(number) if number.is_integer() else number
    except ValueError:
        raise InvalidInput(name, value, limit) from None


def parse_switch(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in SWITCH:
        raise InvalidInput(name, value, "on or off")
    return SWITCH[str(value).lower()]


def existing(name: str, value: object, *, folder: bool) -> Path:
    path = Path(str(value))
    if folder and not path.is_dir():
        raise InvalidInput(name, value, "a folder that exists")
    if not folder and not path.is_file():
        raise InvalidInput(name, value, "a file that exists")
    return path


def check_root_path(value: object) -> str:
    path = str(value).rstrip("/")
    if path and not path.startswith("/"):
        raise InvalidInput("root_path", value, "a path that begins with /")
    return path


def check_words(name: str, value: object) -> str:
    text = str(value).strip()
    if not text:
        raise InvalidInput(name, value, "a text that is not empty")
    return text
