"""What is wrong with a body: the field, its value and what is allowed, whichever of pydantic's rules it broke; and
what a JSON schema allows, in words, for these refusals and for the page of the arguments."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from codegen_ui.api.problems import Problem
from codegen_ui.collector import uncollected
from codegen_ui.errors import shorten

Schema = Mapping[str, Any]
NOUNS = {
    "integer": ("a whole number", "whole numbers"),
    "token id": ("a token id", "token ids"),
    "number": ("a number", "numbers"),
    "string": ("a string", "strings"),
    "boolean": ("true or false", "true or false"),
    "object": ("an object", "objects"),
}
"""One and several, by a schema's `format` or `type`."""
TEXTS = ("prompt", "suffix", "stop", "user")
"""Fields whose values the log must not have: they are, or may hold, what a visitor wrote."""


def parse(content: bytes) -> Any:
    """A body's JSON. Raises `Problem` 400 saying where and why it is none."""
    try:
        with uncollected():
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


def allowed(schema: Schema, definitions: Schema, *, several: bool = False) -> str:
    """What a field may be, such as "a whole number from 1 to 16"; null, which always means the default, is left out."""
    schema = resolved(schema, definitions)
    if "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
        return alternatives([allowed(choice, definitions, several=several) for choice in choices])
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        most = f"up to {schema['maxItems']} " if "maxItems" in schema else ""
        return f"{'lists' if several else 'a list'} of {most}{allowed(schema['items'], definitions, several=True)}"
    if "properties" in schema and "title" in schema:
        return f"{'objects' if several else 'an object'} ({schema['title']})"
    kind = schema.get("format", schema.get("type"))
    noun = NOUNS.get(kind, ("anything", "anything"))[several]
    return f"{noun} {bounds(schema)}".rstrip()


def resolved(schema: Schema, definitions: Schema) -> Schema:
    """The schema itself, or the one that it refers to."""
    if "$ref" not in schema:
        return schema
    found: Schema = definitions[schema["$ref"].rpartition("/")[2]]
    return found


def bounds(schema: Schema) -> str:
    """The range of a number or of a text's length; empty where there is none."""
    if "maxLength" in schema:
        return f"of {schema.get('minLength', 0)} to {schema['maxLength']:,} characters"
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    lower = f"above {number(above)}" if above is not None else "" if low is None else f"from {number(low)}"
    if below is not None:
        return f"{lower} and below {number(below)}"
    return lower if high is None else f"{lower} to {number(high)}"


def number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def alternatives(choices: Sequence[str]) -> str:
    """`a, b or c`, each once."""
    *first, last = dict.fromkeys(choices)
    return f"{', '.join(first)} or {last}" if first else last
