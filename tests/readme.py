"""The tables of the READMEs that have a source in the code: `python -m tests.readme` writes them anew.

A README holds a table between two comments, and a test compares:

    <!-- table: options -->
    <!-- end of table -->
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from humanize import intword, naturalsize
from prometheus_client.metrics_core import Metric

from codegen_ui import api
from codegen_ui.bundled import CHECKPOINT_DIR
from codegen_ui.checkpoints.progress import Progress
from codegen_ui.door.gate import Gate
from codegen_ui.engine.model.config import (
    SIZES,
    ModelConfig,
    kv_bytes_per_token,
    parameter_count,
    shape_of,
    weights_bytes,
)
from codegen_ui.errors import ModelUnavailable
from codegen_ui.kinds import Switch, Texts
from codegen_ui.options import ENVIRONMENT_PREFIX, GROUPS
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.table import Option, Setting, rows
from codegen_ui.texts import PROMPT

ROOT = Path(__file__).parent.parent
VARIANTS = ("nl", "multi", "mono")
BLOCK = re.compile(r"(?P<begin><!-- table: (?P<name>[\w ]+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is escaped."""
    cells = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in cells)


def options_table(groups: Mapping[str, Sequence[type]] = GROUPS) -> str:
    """Every option of the command line with its variable, what is allowed, and what happens without it."""

    def line(option: Option) -> Sequence[str]:
        name = option.name.replace("_", "-")
        usage = f"--{name}`, `--no-{name}" if isinstance(option.kind, Switch) else f"--{name} {option.shown}"
        limit = "on or off" if isinstance(option.kind, Switch) else option.kind.limit
        limit = "one or more texts" if isinstance(option.kind, Texts) else limit
        variable = f"{ENVIRONMENT_PREFIX}{option.name.upper()}"
        return f"`{usage}`", f"`{variable}`", option.help, limit, option.default_text

    options = (one for tables in groups.values() for table in tables for one in rows(table, Option))
    return markdown(("option", "variable", "what", "allowed", "default"), (line(option) for option in options))


def settings_table(table: type = GenerationRequest) -> str:
    """Every setting of a request: what it does, what is allowed, the default, the API's, its name on the page."""

    def line(one: Setting) -> Sequence[str]:
        neutral = replace(one, default=one.neutral).default_text if one.origin else ""
        return f"`{one.name}`", one.help, one.kind.limit, one.default_text, neutral, one.label

    settings = (one for one in rows(table, Setting) if one.kind is not PROMPT)
    return markdown(
        ("setting", "what", "allowed", "default", "over the API", "on the page"), (line(one) for one in settings)
    )


def models_table() -> str:
    """The published models and the bundled one: parameters, and what weights and a slot's KV cache take in memory."""
    shapes = {f"Salesforce/codegen-{size}-{{{','.join(VARIANTS)}}}": shape_of(size) for size in SIZES}
    bundled = json.loads((CHECKPOINT_DIR / "config.json").read_text(encoding="utf-8"))

    def line(name: str, shape: ModelConfig) -> Sequence[str]:
        weights = [weights_bytes(shape, "float32"), weights_bytes(shape, "float16")]
        weights.append(weights_bytes(shape, "float32", quantize="int8"))
        slot = shape.n_positions * kv_bytes_per_token(shape, "float16")
        sizes = [naturalsize(size) for size in weights]
        return f"`{name}`", intword(parameter_count(shape)), *sizes, f"{slot / 2**20:,.0f} MiB"

    return markdown(
        ("model", "parameters", "weights in float32", "float16", "int8 (CPU)", "KV cache of a full slot, float16"),
        (line(name, shape) for name, shape in {**shapes, "bundled": ModelConfig.from_json(bundled)}.items()),
    )


def routes_table() -> str:
    """The API's routes as its own description has them: what each does, who may ask, how it refuses."""

    def line(route: str, operation: Mapping[str, Any]) -> Sequence[str]:
        refusals = [status for status in operation["responses"] if status != "200"]
        return f"`{route}`", operation["summary"], "yes" if "security" in operation else "", ", ".join(refusals)

    return markdown(
        ("route", "what", "asks for a key, where there are any", "refuses with"),
        (line(route, operation) for route, operation in routes().items()),
    )


def routes() -> dict[str, Mapping[str, Any]]:
    """What OpenAPI says of each route of the API, by method and path."""
    app = FastAPI(docs_url=None, redoc_url=None)
    api.register(app, unloaded(), Gate(keys=["any"]))
    paths = app.openapi()["paths"].items()
    return {f"{method.upper()} {path}": operation for path, methods in paths for method, operation in methods.items()}


def metrics_table() -> str:
    """What `/metrics` tells, of an engine that tells everything."""

    def line(family: Metric) -> Sequence[str]:
        ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
        return f"`{family.name}{ending}`", family.type, family.documentation

    families = api.make_metrics(unloaded()).registry.collect()
    return markdown(("metric", "kind", "what"), (line(family) for family in families))


def unloaded() -> Service:
    """A service that loads nothing: what is told of it is what holds for every one."""

    def load(name: str, progress: Progress) -> Loaded:
        raise ModelUnavailable(name, "nothing is loaded here.")

    return Service(["bundled"], load)


TABLES: dict[str, Callable[[], str]] = {
    "options": options_table,
    "settings": settings_table,
    "models": models_table,
    "routes": routes_table,
    "metrics": metrics_table,
}


def renew(text: str) -> str:
    """A README's text with its tables as they should be. Raises `KeyError` for a table that there is not."""
    return BLOCK.sub(lambda found: f"{found['begin']}{TABLES[found['name']]()}{found['end']}", text)


def readmes() -> list[Path]:
    """The project's READMEs, root first."""
    folders = (ROOT / "codegen_ui", ROOT / "examples", ROOT / "tests")
    return [ROOT / "README.md", *(path for folder in folders for path in sorted(folder.rglob("README.md")))]


if __name__ == "__main__":
    for path in readmes():
        path.write_text(renew(path.read_text(encoding="utf-8")), encoding="utf-8")
