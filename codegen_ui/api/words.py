"""What a JSON schema allows, in words: for refusals, which name the limit, and for the page of the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
