"""`/openapi.json` as the API really answers, and `/docs`, the same as one plain page, which asks no other host."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from codegen_ui.api.schemas import CompletionBody, ProblemResponse, TokenizeBody
from codegen_ui.api.validation import allowed

REFERENCE = "#/components/schemas/{model}"
STATUSES = {
    400: "The request is at fault: the message names the field, its value and what is allowed.",
    401: "Where the operator set keys: the key is missing or wrong.",
    404: "The model does not exist here.",
    413: "The body is too large.",
    429: "The queue is full; `Retry-After` says when to try again.",
    500: "The server is at fault.",
    501: "The model's backend does not count tokens.",
    503: "The model is still loading, failed to load or cannot generate now; `Retry-After` says when to try again.",
}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark }} body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
padding: 0 1rem }} table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; vertical-align: top;
border-top: 1px solid #8886; padding: .3rem .6rem .3rem 0 }} code {{ font-family: ui-monospace, monospace }}
</style></head><body><h1>{title}</h1><p>Machine-readable: <a href="openapi.json">openapi.json</a>. Where the operator
set keys, send one as <code>Authorization: Bearer KEY</code>.</p>{body}</body></html>"""


def may_refuse(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` for a route that refuses with these statuses."""
    return {status: {"model": ProblemResponse, "description": STATUSES[status]} for status in statuses}


def describe(app: FastAPI, *, keys: bool, root_path: str = "") -> None:
    """Have `app.openapi()` tell what the API does, where FastAPI assumes what it usually does.

    Args:
        keys: whether a key is asked for.
        root_path: the prefix that a proxy takes off.
    """
    assumed: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        # FastAPI caches its schema; what follows changes nothing when it is done again.
        schema = assumed()
        components: dict[str, Any] = schema["components"]
        components["schemas"].update(exact_bodies())
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                operation["responses"].pop("422", None)  # OpenAI answers 400, and so do we.
                if keys and path.startswith(("/v1/", "/tokenize")):
                    operation["security"] = [{"key": []}]
        if keys:
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        if root_path:
            schema["servers"] = [{"url": root_path}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def exact_bodies() -> dict[str, Any]:
    """The bodies' schemas from pydantic: FastAPI makes floats of their limits, and so other integers of large ones."""
    found: dict[str, Any] = {}
    for model in (CompletionBody, TokenizeBody):
        schema = model.model_json_schema(ref_template=REFERENCE)
        found.update(schema.pop("$defs", {}))
        found[model.__name__] = schema
    return found


def add_documentation(router: APIRouter, app: FastAPI) -> None:
    """Add the page, made from `app.openapi()`."""

    @router.head("/docs", include_in_schema=False)
    @router.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(render(app.openapi()))


def render(schema: dict[str, Any]) -> str:
    """An OpenAPI schema as HTML."""
    return PAGE.format(title=html.escape(schema["info"]["title"]), body="".join(sections(schema)))


def sections(schema: dict[str, Any]) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{escaped(operation, 'summary')}</p>"
            body = operation.get("requestBody", {})
            if body:
                yield f"<p>Body: {link(body)}.</p>"
            yield f"<table><tr><th>Status<th>Meaning<th>Body</tr>{''.join(answers(operation))}</table>"
    definitions = schema.get("components", {}).get("schemas", {})
    yield "<h1>Objects</h1>"
    for name, model in definitions.items():
        yield f'<h2 id="{html.escape(name)}">{html.escape(name)}</h2><p>{escaped(model, "description")}</p>'
        if "properties" in model:
            yield f"<table><tr><th>Field<th>Type<th>Meaning</tr>{''.join(rows(model, definitions))}</table>"


def answers(operation: dict[str, Any]) -> Iterator[str]:
    """A row for every status that an operation may answer with."""
    for status, answer in operation["responses"].items():
        yield f"<tr><td>{html.escape(status)}<td>{escaped(answer, 'description')}<td>{link(answer)}</tr>"


def link(message: dict[str, Any]) -> str:
    """To the object that a request or an answer has as its body; its media types where it is none."""
    content = message.get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    name = html.escape(reference.rpartition("/")[2])
    return f'<a href="#{name}">{name}</a>' if name else html.escape(", ".join(content))


def rows(model: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    required = model.get("required", [])
    for name, field in model["properties"].items():
        default = "" if name in required or "default" not in field else f" Default: {json.dumps(field['default'])}."
        null = " or null" if {"type": "null"} in field.get("anyOf", []) else ""
        kind = html.escape(allowed(field, definitions) + null)
        yield f"<tr><td><code>{html.escape(name)}</code><td>{kind}<td>{escaped(field, 'description')}"
        yield f"{html.escape(default)}</tr>"


def escaped(values: dict[str, Any], key: str) -> str:
    return html.escape(values.get(key, ""))
