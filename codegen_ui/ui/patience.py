"""A Gradio queue that does not keep a processor awake while nothing happens."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio import queueing

POLL_SECONDS = 0.02
"""Gradio's queue looks for new events a thousand times a second, a tenth of a core when idle; fifty times is enough."""


class PatientQueue(queueing.Queue):  # type: ignore[misc]
    """Gradio's queue with another pause between two looks."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sleep_when_free = POLL_SECONDS
        self.progress_update_sleep_when_free = POLL_SECONDS


class PatientBlocks(gr.Blocks):  # type: ignore[misc]
    """Blocks whose queue is a `PatientQueue`. Gradio takes the class by its name, and no argument for it."""

    def queue(self, *arguments: Any, **options: Any) -> PatientBlocks:
        """Set the queue up; arguments as for `gr.Blocks.queue`."""
        plain = queueing.Queue
        queueing.Queue = PatientQueue
        try:
            super().queue(*arguments, **options)
        finally:
            queueing.Queue = plain
        return self
