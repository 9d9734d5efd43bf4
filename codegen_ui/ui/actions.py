"""What happens when something on the page is used: the handlers, without their wiring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import astuple, replace
from typing import Any

import gradio as gr

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.gallery import Example, dump_example
from codegen_ui.generation import ModelInfo
from codegen_ui.request import MAX_LENGTH, MAX_PROMPT_CHARACTERS, GenerationRequest, check_prompt
from codegen_ui.service import Phase, Service
from codegen_ui.ui import figures
from codegen_ui.ui.box_panel import box_value
from codegen_ui.ui.figures import Live
from codegen_ui.ui.gallery_panel import MAX_SAVED, gallery_value, sound
from codegen_ui.ui.inputs import FIELDS, Inputs, from_settings, to_settings
from codegen_ui.ui.model_panel import describe
from codegen_ui.ui.prompt_panel import meter_value
from codegen_ui.ui.runs import title_of
from codegen_ui.ui.runs_panel import runs_value
from codegen_ui.ui.settings_panel import NEUTRAL
from codegen_ui.ui.streaming import Lines, Streams
from codegen_ui.ui.visitors import Visitors

TYPING_PAUSE_SECONDS = 0.2
ENOUGH_TO_GO_ON, ROOM_TO_GO_ON = 32, 128
"""New tokens that a maximum length must leave when a completion is continued; else it is raised to leave so many."""
LOADING_TICK_SECONDS = 0.6
QUIET_TICK_SECONDS = 2.0
SETTINGS = FIELDS[1:]


class Actions:
    """Handlers of the page over one service. Values are in the order of `Inputs`, then the model."""

    def __init__(self, service: Service, examples: Sequence[Example], visitors: Visitors) -> None:
        self._service = service
        self._examples = tuple(examples)
        self._visitors = visitors
        self._streams = Streams(service, visitors)

    async def run(self, request: gr.Request, *values: Any) -> AsyncGenerator[tuple[Any, Any], None]:
        """Stream the output and the live panel."""
        *fields, model = values
        async for update in self._streams.run(Inputs(*fields), model, session_of(request)):
            # At the end Gradio sends the last value again, which must not undo what another handler has shown since.
            lines, live = update or (None, gr.skip())
            yield gr.skip() if lines is None else lines, live

    async def stop(self, request: gr.Request) -> None:
        """Stop this tab's run; its stream shows the end itself."""
        run = self._visitors.tab(session_of(request)).run
        if run is not None:
            run.stop()

    async def clear(self, request: gr.Request) -> tuple[str, Lines, Live]:
        """An empty editor and output; what is running stops."""
        tab = self._visitors.tab(session_of(request))
        if tab.run is not None:
            tab.run.superseded = True
            tab.run.stop()
        tab.last_prompt = tab.last_text = ""
        return "", [], figures.idle()

    async def go_on(self, prompt: str, max_length: Any, model: str | None, request: gr.Request) -> tuple[Any, Any]:
        """The prompt to continue from, and a maximum length with room to do so.

        That is the last output, prompt included, unless something else was typed since or there is none.
        """
        tab = self._visitors.tab(session_of(request))
        if prompt == tab.last_prompt:
            prompt += tab.last_text
        engine = self._service.engines().get(self._service.status(model).name)
        tokens = await asyncio.to_thread(engine.count_tokens, prompt) if engine is not None and prompt else None
        if engine is None or tokens is None or tokens + ENOUGH_TO_GO_ON <= int(max_length or 0):
            return prompt, gr.skip()
        return prompt, min(engine.info.context, tokens + max(tab.last_allowance, ROOM_TO_GO_ON))

    async def runs(self, request: gr.Request) -> dict[str, Any]:
        return runs_value(self._visitors.tab(session_of(request)).runs)

    async def leave(self, request: gr.Request) -> None:
        """The tab was closed: stop what it ran, forget what it did."""
        self._visitors.leave(session_of(request))

    async def count(self, prompt: str, max_length: float, model: str | None) -> dict[str, str]:
        """The token count under the editor, a moment after the last key."""
        await asyncio.sleep(TYPING_PAUSE_SECONDS)
        status = self._service.status(model)
        engine = self._service.engines().get(status.name)
        if engine is None or len(prompt or "") > MAX_PROMPT_CHARACTERS:
            return meter_value(None, None, None)
        try:
            check_prompt(prompt or " ")
        except InvalidInput:
            return meter_value(None, None, None)
        tokens = await asyncio.to_thread(engine.count_tokens, prompt) if prompt else 0
        if tokens is None:
            return meter_value(None, None, None)
        context = engine.info.context
        return meter_value(tokens, max(0, int(max_length or 0) - tokens), context)

    async def tick(self, model: str | None) -> tuple[dict[str, str], dict[str, str], Any]:
        """The head, the box panel and the timer: slow once the model is there."""
        status = self._service.status(model)
        quiet = status.phase in (Phase.READY, Phase.FAILED)
        timer = gr.Timer(QUIET_TICK_SECONDS if quiet else LOADING_TICK_SECONDS)
        return describe(status), box_value(self._service, model), timer

    async def choose(self, model: str | None) -> tuple[dict[str, str], dict[str, str], Any]:
        """Another model for this visitor; it begins to load where it is not ready."""
        self._service.request_load(model)
        return await self.tick(model)

    async def adapt(self, model: str | None) -> list[Any]:
        """Grey out what the model cannot do, saying why; no maximum length beyond its context."""
        info = self._service.status(model).info
        return [gr.skip()] * len(SETTINGS) if info is None else [limits(name, info) for name in SETTINGS]

    async def pick(self, saved: object, model: str | None, event: gr.EventData) -> list[Any]:
        """An example's prompt and settings; its maximum length at most the model's context."""
        kept = sound(saved)
        index, kind = event.index, event.kind
        if kind == "saved" and isinstance(index, int) and 0 <= index < len(kept):
            inputs = from_settings(kept[index]["prompt"], kept[index]["settings"])
        elif kind == "example" and isinstance(index, int) and 0 <= index < len(self._examples):
            inputs = from_settings(self._examples[index].prompt, self._examples[index].settings)
        else:
            return [gr.skip()] * len(FIELDS)
        info = self._service.status(model).info
        if info is not None:
            inputs = replace(inputs, max_length=min(inputs.max_length, info.context))
        return list(astuple(inputs))

    async def forget(self, saved: object, event: gr.EventData) -> list[dict[str, Any]]:
        """The saved examples without one."""
        return [kept for index, kept in enumerate(sound(saved)) if index != event.index]

    async def show_gallery(self, saved: object) -> dict[str, list[dict[str, str]]]:
        return gallery_value(self._examples, sound(saved))

    async def save(self, title: str, saved: object, *values: Any) -> tuple[Any, dict[str, str]]:
        """Keep the prompt and its settings in the visitor's browser, under its title."""
        inputs = Inputs(*values)
        try:
            kept = {"title": title_for(title, inputs), "prompt": inputs.prompt, "settings": to_settings(inputs)}
        except InvalidInput as problem:
            return gr.skip(), {"message": f"Not saved. {problem}"}
        others = [other for other in sound(saved) if other["title"] != kept["title"]]
        return [*others, kept][-MAX_SAVED:], {"message": f"Saved “{kept['title']}” in this browser."}

    async def dump(self, title: str, *values: Any) -> tuple[dict[str, str], dict[str, str]]:
        """The same as a file that an operator can drop into the examples' folder: (file, message)."""
        inputs = Inputs(*values)
        try:
            name = title_for(title, inputs)
            example = Example(name, f"{name}.", inputs.prompt, to_settings(inputs))
            return {"name": f"{slug(name)}.toml", "text": dump_example(example)}, {"message": ""}
        except PlaygroundError as problem:
            return {"name": "", "text": ""}, {"message": f"No file. {problem}"}

    async def api(
        self,
        prompt: str,
        max_length: int = 512,
        temperature: float = 0.2,
        top_p: float = 0.95,
        top_k: int = 0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        stop: list[str] | None = None,
        stop_at: str = "function",
        model: str | None = None,
    ) -> AsyncGenerator[str, None]:
        """The completion as it grows, for gradio_client. A wrong value or a fault is an error with its message."""
        try:
            request = GenerationRequest(
                prompt,
                max_length=max_length,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                min_p=min_p,
                repetition_penalty=repetition_penalty,
                seed=seed,
                stop=stop or (),
                stop_at=stop_at,
            )
            async for text in self._streams.text(request, model):
                yield text
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False) from error


def session_of(request: gr.Request) -> str:
    return str(request.session_hash or "")


def limits(name: str, info: ModelInfo) -> Any:
    """The update of one setting for a model."""
    if name in info.unsupported:
        return gr.update(interactive=False, info=info.unsupported[name], value=NEUTRAL.get(name, gr.skip()))
    if name == "max_length" and info.context < MAX_LENGTH:
        return gr.update(maximum=info.context)
    return gr.skip()


def title_for(title: str, inputs: Inputs) -> str:
    return (title or "").strip()[:80] or title_of(inputs.prompt)


def slug(title: str) -> str:
    """A file name from a title: 'Two sum II' -> 'two_sum_ii'."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in title.lower()).split()
    return "_".join(words)[:60] or "example"
