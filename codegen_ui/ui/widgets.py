"""What the panels share: a component that the page's own script draws, quiet handlers, files for the visitor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from codegen_ui.door.visitors import visitor_name

QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private", "preprocess": False}
"""For handlers that answer at once: no queue, no spinner, not in the API's docs; values as the browser sent them, for
`Inputs` checks them where it matters."""
STREAMING: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "preprocess": False,
    "postprocess": False,
    "trigger_mode": "multiple",
}
"""For handlers that show a stream: the browser's values and theirs as they are, and a new click need not wait."""


def drawn(value: object, template: str, draw: str, elem_id: str, events: tuple[str, ...] = ()) -> gr.HTML:
    """A component whose value the function `codegenUI.DRAW` of `static/panels.js` or `lists.js` draws, at each change.

    Args:
        value: plain text, or what is safe HTML already; it never gets into the template, which the browser compiles.
        events: names of events that DRAW may fire: it gets a function for each, which takes the event's data.
    """
    fire = "".join(f", (data) => trigger({event!r}, data)" for event in events)
    return scripted(value, template, f"codegenUI.{draw}(element, props, watch{fire})", elem_id)


def drawn_apart(value: object, template: str, part: str, elem_id: str, events: tuple[str, ...] = ()) -> gr.HTML:
    """Like `drawn`, by a script of its own, `static/PART.js`, which is loaded when there is first something to draw.

    Its `start(element, fire)` gives the function that draws a value; `fire` has a function for each of `events`.
    """
    fire = ", ".join(f"{event}: (data) => trigger({event!r}, data)" for event in events)
    return scripted(value, template, f"codegenUI.part({part!r}, element, props, watch, {{{fire}}})", elem_id)


def scripted(value: object, template: str, script: str, elem_id: str) -> gr.HTML:
    return gr.HTML(value=value, html_template=template, js_on_load=script, apply_default_css=False, elem_id=elem_id)


def offers_file(listener: Callable[..., Any], make: Callable[..., Any], inputs: list[Any], *others: Any) -> None:
    """When `listener` fires, the visitor's browser saves the file that `make` gives, with a value for each of `others`.

    A file is `{"name": ..., "text": ...}`; one without a name is none.
    """
    file = gr.JSON(visible=False)
    listener(make, inputs, [file, *others], **QUIET).then(
        None, file, None, js="(file) => codegenUI.save(file)", show_progress="hidden", api_visibility="private"
    )


def session_of(request: gr.Request) -> str:
    """The key of the tab that a handler serves."""
    return str(request.session_hash or "")


def visitor_of(request: gr.Request) -> str:
    """Who uses the tab: its connection's address, which cannot be made up, then the tab itself."""
    client = request.client
    return f"{visitor_name(client.host) if client else ''} {session_of(request)}".strip()
