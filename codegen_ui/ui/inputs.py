"""From what the widgets hold to a `GenerationRequest`, and from a refused value back to its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from codegen_ui.errors import InvalidInput
from codegen_ui.request import MAX_SEED, GenerationRequest

RANDOM = "random"
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


@dataclass(frozen=True)
class Inputs:
    """The editor and the settings as the browser sends them, in the order of the widgets.

    Nothing here is trusted: numbers may be missing or out of range, `seed` and `stop` are text as typed.
    """

    prompt: str = ""
    max_length: float = 512
    temperature: float = 0.2
    top_p: float = 0.95
    top_k: float = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: str = ""
    stop: str = ""
    stop_at: str = "function"


FIELDS = tuple(field.name for field in fields(Inputs))
DEFAULTS = asdict(Inputs())


def to_request(inputs: Inputs, visitor: str = "") -> GenerationRequest:
    """Raises `InvalidInput`, naming the field."""
    return GenerationRequest(
        inputs.prompt,
        max_length=inputs.max_length,  # type: ignore[arg-type]  # checked at construction
        temperature=inputs.temperature,
        top_p=inputs.top_p,
        top_k=inputs.top_k,  # type: ignore[arg-type]  # checked at construction
        min_p=inputs.min_p,
        repetition_penalty=inputs.repetition_penalty,
        seed=parse_seed(inputs.seed),
        stop=parse_stop(inputs.stop),
        stop_at=inputs.stop_at,
        visitor=visitor,
    )


def parse_seed(text: str | None) -> int | None:
    """None for an empty field or the word 'random'. Raises `InvalidInput`."""
    typed = (text or "").strip()
    if typed.lower() in ("", RANDOM):
        return None
    if not re.fullmatch(r"[0-9]{1,19}", typed) or int(typed) > MAX_SEED:
        raise InvalidInput("seed", typed, "empty, 'random', or a whole number below 2^63")
    return int(typed)


def parse_stop(text: str | None) -> tuple[str, ...]:
    """One stop string a line; ``\\n``, ``\\t``, ``\\r`` and ``\\\\`` are escapes, empty lines are ignored."""
    return tuple(unescape(line) for line in (text or "").split("\n") if line)


def unescape(line: str) -> str:
    return re.sub(r"\\([ntr\\])", lambda match: ESCAPES[match.group(1)], line)


def escape(string: str) -> str:
    """The line of the stop field that stands for a string; undone by `unescape`."""
    return string.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def from_settings(prompt: str, settings: Mapping[str, Any]) -> Inputs:
    """Inputs for an example: its settings over the defaults, so that a click always means the same run."""
    values: dict[str, Any] = {**DEFAULTS, "prompt": prompt}
    for name in FIELDS:
        if name in settings and name != "prompt":
            values[name] = settings[name]
    seed, stop = values["seed"], values["stop"]
    values["seed"] = "" if seed is None else str(seed)
    if not isinstance(stop, str):
        values["stop"] = "\n".join(escape(string) for string in stop)
    return Inputs(**values)


def to_settings(inputs: Inputs) -> dict[str, Any]:
    """An example's settings: what differs from the defaults. Raises `InvalidInput` for values that would be refused."""
    to_request(inputs)
    settings: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(inputs, name)
        if name == "prompt" or value == DEFAULTS[name]:
            continue
        if name == "seed":
            seed = parse_seed(value)
            if seed is not None:
                settings[name] = seed
        elif name == "stop":
            settings[name] = list(parse_stop(value))
        elif name in ("max_length", "top_k"):
            settings[name] = int(value)
        else:
            settings[name] = value
    return settings
