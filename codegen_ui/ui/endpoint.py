"""`/generate`, the page's one public endpoint, for gradio_client."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import gradio as gr

from codegen_ui.errors import PlaygroundError
from codegen_ui.request import GenerationRequest
from codegen_ui.ui.session import Sessions
from codegen_ui.ui.widgets import session_of, visitor_of


class Endpoint:
    """Streams a completion without a page."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        gr.api(self.generate, api_name="generate")

    async def generate(
        self,
        request: gr.Request,
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
        """The completion as it grows. A wrong value or a fault is an error with its message."""
        try:
            wanted = GenerationRequest(
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
                visitor=visitor_of(request),
            )
            async for text in self._sessions.text(wanted, model, session_of(request)):
                yield text
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False) from error
