"""`/docs`: the API's description as one plain page, which asks no other host for anything."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark }} body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
padding: 0 1rem }} table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; vertical-align: top;
border-top: 1px solid #8886; padding: .3rem .6rem .3rem 0 }} code {{ font-family: ui-monospace, monospace }}
</style></head><body><h1>{title}</h1><p>Machine-readable: <a href="openapi.json">openapi.json</a>. Where the operator
set keys, send one as <code>Authorization: Bearer KEY</code>.</p>{body}</body></html>"""


def add_documentation(router: APIRouter, app: FastAPI) -> None:
    """Add the page, made from `app.openapi()`."""

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
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in body:
                name = body["$ref"].rpartition("/")[2]
                yield f'<p>Body: <a href="#{name}">{name}</a>.</p>'
    yield "<h1>Objects</h1>"
    for name, model in schema.get("components", {}).get("schemas", {}).items():
        yield f'<h2 id="{html.escape(name)}">{html.escape(name)}</h2><p>{escaped(model, "description")}</p>'
        if "properties" in model:
            yield f"<table><tr><th>Field<th>Type<th>Meaning</tr>{''.join(rows(model))}</table>"


def rows(model: dict[str, Any]) -> Iterator[str]:
    required = model.get("required", [])
    for name, field in model["properties"].items():
        default = "" if name in required or "default" not in field else f" Default: {field['default']!r}."
        meaning = escaped(field, "description") + html.escape(default)
        yield f"<tr><td><code>{html.escape(name)}</code><td>{html.escape(kind(field))}<td>{meaning}</tr>"


def kind(field: dict[str, Any]) -> str:
    """A JSON schema's type in a few words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(kind(choice) for choice in field["anyOf"]))
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "items" in field:
        return f"list of {kind(field['items'])}"
    if "const" in field or "enum" in field:
        return ", ".join(repr(value) for value in field.get("enum", [field.get("const")]))
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = " and ".join(f"{sign} {field[key]}" for key, sign in limits.items() if key in field)
    return f"{field.get('type', 'any')} {bounds}".strip()


def escaped(values: dict[str, Any], key: str) -> str:
    return html.escape(values.get(key, ""))
