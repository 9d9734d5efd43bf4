"""The one table of what an operator may choose; `--help`, environment variables, `load` and the README come from it.

To add an option, add a row to the class that it belongs to:

    batch: int | None = row(None, Integer(1, 256), "tokens at once", unset="as many as there are", only="local")

and read it where it matters: the engine has its `EngineOptions`, the server the whole `Options`. The row makes
`--batch N`, `CODEGEN_UI_BATCH`, the library's `load(batch=...)` (of `LoadOptions` and `EngineOptions`) and what
they refuse. `python -m tests.readme` then writes the tables of the READMEs anew; a test tells if it was forgotten.

Kinds are in `kinds.py`; a new one needs a `limit` in words and a `check`. `only="local"` is for what has no meaning
where the servers of `--backend-url` generate, `only="remote"` for what has none elsewhere: typed there, it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codegen_ui.kinds import Choice, File, Folder, Integer, Networks, Number, PathPrefix, Switch, Text, Texts
from codegen_ui.table import Checked, row

DEFAULT_MODEL = "Salesforce/codegen-350M-mono"
DEFAULT_PORT = 7860
ENVIRONMENT_PREFIX = "CODEGEN_UI_"


def shipped_examples() -> Path:
    """The project's own examples: inside the package where it was installed, beside it in a checkout."""
    here = Path(__file__).parent
    installed = here / "examples"
    return installed if installed.is_dir() else here.parent / "examples"


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Checked):
    """Which models visitors may choose."""

    model: tuple[str, ...] = row(
        (DEFAULT_MODEL,),
        Texts(),
        "a hub id, a local folder, or 'bundled', each with its own numbers where @float32 or @int8 is behind it; "
        "repeat it to let visitors choose",
        only="local",
    )


@dataclass(frozen=True, kw_only=True)
class LoadOptions(Checked):
    """Where a checkpoint is found and how its weights are held."""

    revision: str | None = row(None, Text(), "branch, tag or commit of the hub repository", unset="main", only="local")
    device: str = row("auto", Choice(("auto", "cpu", "cuda", "mps")), "where to compute; ROCm is 'cuda'", only="local")
    dtype: str = row(
        "auto",
        Choice(("auto", "float32", "bfloat16", "float16")),
        "of the weights; auto is float32 on CPU, float16 elsewhere",
        only="local",
    )
    quantize: str = row("auto", Choice(("none", "int8", "auto")), "8-bit weights; auto is int8 on CPU", only="local")


@dataclass(frozen=True, kw_only=True)
class EngineOptions(Checked):
    """How an engine is run."""

    slots: int | None = row(
        None, Integer(1, 256), "streams decoded together", unset="chosen by free memory", only="local"
    )
    max_waiting: int = row(64, Integer(1, 10_000), "requests that may wait in the queue", only="local")
    deadline_seconds: float = row(300.0, Number(1, 86_400), "the longest a request may take, from its arrival")
    prefix_cache_mb: int = row(
        512, Integer(0, 1_000_000), "MiB for the KV cache of earlier prompts; 0 is off", only="local"
    )
    lookup: bool = row(True, Switch(), "prompt-lookup speculation", only="local")
    cuda_graphs: str = row(
        "off",
        Choice(("auto", "on", "off")),
        "record a GPU's decode steps at the start and replay them; auto wherever it has graphs (CUDA, ROCm)",
        only="local",
    )
    threads: int | None = row(
        None,
        Integer(1, 1024),
        "threads that compute on a CPU",
        unset="one a core, and no more than a container's CPU quota",
        only="local",
    )
    prefill_chunk: int | None = row(
        None,
        Integer(1, 2048),
        "prompt tokens prefilled per step while others decode",
        unset="adapts to the step time",
        only="local",
    )


@dataclass(frozen=True, kw_only=True)
class ServerOptions(Checked):
    """Where and to whom the page and the API answer."""

    host: str = row("127.0.0.1", Text(), "address to listen on; 0.0.0.0 for all", metavar="ADDRESS")
    port: int | None = row(
        None, Integer(1, 65_535), "port to listen on", unset=f"the first free one from {DEFAULT_PORT}"
    )
    root_path: str = row(
        "", PathPrefix(), "path prefix that a reverse proxy serves the page under, such as /playground", unset="none"
    )
    examples: Path = row(shipped_examples(), Folder(), "folder of example prompts", unset="examples/")
    allowed_hosts: tuple[str, ...] = row(
        (),
        Texts(),
        "a name that browsers may ask for this server by, such as box.example.org or *.example.org; * is any",
        unset="addresses, localhost and this machine's own name",
    )
    trusted_proxies: tuple[str, ...] = row(
        (),
        Networks(),
        "address or network of a proxy whose X-Forwarded-For tells the visitor's address, such as 10.0.0.0/8",
        metavar="ADDRESS",
        unset="none",
    )
    auth_file: Path | None = row(
        None, File(), "users with a password who may come in; python -m codegen_ui.door.users writes it", unset="open"
    )
    api_key_file: Path | None = row(None, File(), "keys that may use API and page, one a line", unset="open")
    open_page: bool = row(False, Switch(), "ask for no key at the page where the API asks for one")
    step_seconds: float = row(
        120.0,
        Number(1, 86_400),
        "a step of the engine that takes longer is stuck: the model is loaded anew",
        only="local",
    )
    drain_seconds: float = row(
        8.0, Number(0, 3600), "how long what runs may go on when the server is told to stop; then it ends with a reason"
    )
    per_visitor: int = row(
        64, Integer(0, 10_000), "requests that a visitor may have running or waiting, by address; 0 is any number"
    )
    requests_per_minute: int = row(
        6000, Integer(0, 1_000_000), "requests that a visitor may send, by address; 0 is no limit"
    )
    log_prompts: bool = row(False, Switch(), "write prompts into the log")


@dataclass(frozen=True, kw_only=True)
class BackendOptions(Checked):
    """Other servers that generate in this machine's place."""

    backend_url: tuple[str, ...] = row(
        (),
        Texts(),
        "OpenAI-compatible server to generate with, such as http://host:8000/v1; repeat it to spread the load",
        metavar="URL",
        unset="none",
    )
    backend_model: str | None = row(None, Text(), "the model's name there", unset="the first it lists", only="remote")
    backend_key_file: Path | None = row(None, File(), "file with the key to send there", unset="none", only="remote")


@dataclass(frozen=True, kw_only=True)
class Options(BackendOptions, ServerOptions, EngineOptions, LoadOptions, ModelOptions):
    """All of them, as one operator chose. (A dataclass takes its bases' fields from the last base to the first.)"""


GROUPS: dict[str, tuple[type, ...]] = {
    "model": (ModelOptions, LoadOptions),
    "engine": (EngineOptions,),
    "server": (ServerOptions,),
    "remote backend": (BackendOptions,),
}
"""How `--help` and the README arrange them."""
