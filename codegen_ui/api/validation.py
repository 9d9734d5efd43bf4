"""What is wrong with a body: the field, its value and what is allowed, whichever of pydantic's rules it broke."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from codegen_ui.api.problems import Problem
from codegen_ui.api.words import Schema, allowed, resolved
from codegen_ui.errors import shorten

TEXTS = ("prompt", "suffix", "stop", "user")
"""Fields whose values the log must not have: they are, or may hold, what a visitor wrote."""


def parse(content: bytes) -> Any:
    """A body's JSON. Raises `Problem` 400 saying where and why it is none."""
    try:
        return json.loads(content)
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at position {error.start} is not {error.encoding.upper()}"
    except json.JSONDecodeError as error:
        found = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except RecursionError:
        found = "its lists and objects are nested too deeply"
    except ValueError:
        found = f"it has a number of more than {sys.get_int_max_str_digits():,} digits"
    raise Problem(400, f"The body is not valid JSON: {found}.", code="invalid_json")


def from_validation(error: RequestValidationError, model: type[BaseModel], content_type: str | None) -> Problem:
    """The first thing wrong with a body: OpenAI answers 400 where FastAPI would answer 422."""
    if not isinstance(error.body, dict):
        return no_object(error.body, content_type)
    first = error.errors()[0]
    path, schema = locate(model, first["loc"][1:])
    param = readable(".".join(path))
    if first["type"] == "extra_forbidden":
        message = f"Unrecognized request argument supplied: {param}"
        return Problem(400, message, param=param, code="unknown_parameter")
    if first["type"] == "missing":
        return Problem(400, f"You must provide '{param}'.", param=param, code="missing_required_parameter")
    if first["type"] == "string_unicode":
        field = param or "The arguments' names"
        message = f"{field}: {shown(first['input'])} is not allowed; it must be text that can be written as UTF-8."
        return Problem(400, message, param=param or None, code="invalid_value", log=f"{field}: no UTF-8.")
    limit = allowed(schema, schema_of(model).get("$defs", {}))
    message = f"{param}: {shown(at(error.body, path))} is not allowed; it must be {limit}."
    log = f"{param}: it must be {limit}." if path[0] in TEXTS else None
    return Problem(400, message, param=param, code="invalid_value", log=log)


def no_object(body: object, content_type: str | None) -> Problem:
    """A body that has no fields to begin with."""
    wanted = "a JSON object, sent with 'Content-Type: application/json'"
    if isinstance(body, bytes) and body:
        given = "none" if content_type is None else readable(content_type)
        return Problem(400, f"The body must be {wanted}; its Content-Type is {given}.", code="invalid_json")
    found = "an empty body or null" if not isinstance(body, str | list | int | float) else shown(body)
    log = f"The body must be {wanted}."
    return Problem(400, f"The body must be {wanted}; {found} is not allowed.", code="invalid_json", log=log)


def locate(model: type[BaseModel], where: Sequence[str | int]) -> tuple[list[str], Schema]:
    """The names from a body down to the field that is wrong, and that field's schema.

    What pydantic adds to them (which alternative of a union, which element of a list) says little to whoever sent it.
    """
    schema = schema_of(model)
    definitions = schema.get("$defs", {})
    path: list[str] = []
    for step in where:
        fields = properties(schema, definitions)
        if fields is None:
            break
        path.append(str(step))
        schema = fields.get(str(step), {})
    return path, schema


@functools.cache
def schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def properties(schema: Schema, definitions: Schema) -> Schema | None:
    """The fields of an object, also of one that may be null; None for anything else."""
    for choice in schema.get("anyOf", [schema]):
        fields: Schema | None = resolved(choice, definitions).get("properties")
        if fields is not None:
            return fields
    return None


def at(body: Any, path: Sequence[str]) -> Any:
    """The value at a path of names."""
    for name in path:
        body = body[name]
    return body


def shown(value: object) -> str:
    """A value, shortened; it may be nested more deeply than `repr` can follow."""
    try:
        return shorten(value)
    except RecursionError:
        return "a value that is nested deeply"


def readable(name: str) -> str:
    """A client's own word within a message: short, and as it is only where every encoding can carry it."""
    return name if len(name) <= 60 and name.isprintable() else shorten(name)
