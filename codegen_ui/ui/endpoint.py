"""`/generate`, the page's one public endpoint, for gradio_client."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable
from inspect import Parameter
from typing import Any

import gradio as gr

from codegen_ui.errors import PlaygroundError
from codegen_ui.kinds import Integer, Kind, Number, Switch
from codegen_ui.request import GenerationRequest, page_settings
from codegen_ui.table import Setting
from codegen_ui.texts import StopStrings
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.widgets import session_of, visitor_of

TYPES: dict[type[Kind], Any] = {Integer: int, Number: float, Switch: bool, StopStrings: list[str]}
"""By which the endpoint's documentation describes a kind; others are texts."""


def add_endpoint(sessions: Sessions, table: type[GenerationRequest] = GenerationRequest) -> None:
    """Streams a completion without a page. Its arguments are the prompt, the page's settings and the model."""

    async def generate(request: gr.Request, prompt: str, *values: Any) -> AsyncGenerator[str, None]:
        """The completion as it grows. A wrong value or a fault is an error with its message."""
        *chosen, model = values
        try:
            given = {
                one.name: one.default if value is None else value
                for one, value in zip(page_settings(table), chosen, strict=True)
            }
            wanted = table(prompt, visitor=visitor_of(request), **given)
            async for text in sessions.text(wanted, model, session_of(request)):
                yield text
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False) from error

    gr.api(described(generate, table), api_name="generate")


def described(function: Callable[..., Any], table: type[GenerationRequest]) -> Callable[..., Any]:
    """The function with the signature that Gradio, and by it a client, shall see; Gradio itself gives the request."""
    arguments = [
        Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request),
        Parameter("prompt", Parameter.POSITIONAL_OR_KEYWORD, annotation=str),
    ]
    arguments += [argument(one) for one in page_settings(table)]
    arguments += [Parameter("model", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=str | None)]
    function.__annotations__ = {one.name: one.annotation for one in arguments}
    signature = inspect.Signature(arguments, return_annotation=AsyncGenerator[str, None])
    function.__signature__ = signature  # type: ignore[attr-defined]  # Python's own way to tell another one
    return function


def argument(one: Setting) -> Parameter:
    """A setting as an argument; null stands for its default."""
    kind = TYPES.get(type(one.kind), str)
    default = None if isinstance(one.kind, StopStrings) else one.default
    annotation = kind if default is not None else kind | None
    return Parameter(one.name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)
