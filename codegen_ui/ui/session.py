"""A tab of the page that ran something: its run in progress, what Continue needs, the table's records.

What is known of its last run when that has ended is enough for its code and for a link to it, without its texts.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime

from codegen_ui.generation import Generation, Snapshot
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.ui.panels.records_panel import Record, make_record
from codegen_ui.ui.recording import Recording
from codegen_ui.ui.run import Run

MAX_RECORDS = 200
"""Of a session; older ones are forgotten."""


@dataclass(frozen=True)
class Ran:
    """Attributes:
    generation: its id.
    request: its request's `name`.
    digest: of the completion.
    recording: when each of its tokens came.
    """

    generation: str
    request: int
    metrics: GenerationMetrics
    reason: FinishReason | None
    digest: str
    recording: Recording = field(default_factory=Recording)

    @classmethod
    def of(cls, generation: Generation, request: GenerationRequest, last: Snapshot) -> Ran:
        recording, text = Recording.of(generation), digest(last.text)
        return cls(generation.id, name(request), last.metrics, last.finish_reason, text, recording)


def name(request: GenerationRequest) -> int:
    """Equal for requests that ask for the same, whoever asks."""
    return hash(replace(request, visitor=""))


def digest(text: str) -> str:
    """A name for a text, by which one that is identical is known."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Session:
    """One tab that ran something: the run in progress, what Continue needs, the table's records.

    Of the last prompt only the hash is kept, to tell whether the editor still has it.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self.records: deque[Record] = deque(maxlen=MAX_RECORDS)
        self.left: float | None = None
        self.allowance = 0  # new tokens that the last run might have taken
        self.ran: Ran | None = None
        self.text = ""
        self._prompt = hash("")
        self._running_prompt = self._prompt
        self._count = 0

    def begin(self, run: Run, prompt: str) -> None:
        """A new run; one that is still going is superseded."""
        if self.run is not None:
            self.run.supersede()
        self.run, self._running_prompt = run, hash(prompt)

    def end(self, run: Run) -> None:
        run.stop()
        if self.run is run:
            self.run = None

    def keep(self, model: str, generation: Generation, request: GenerationRequest, last: Snapshot) -> None:
        """Remember what came of the run in progress."""
        self._count += 1
        self.records.append(make_record(self._count, datetime.now().astimezone(), model, request, last))
        self.ran = Ran.of(generation, request, last)
        self._remember(last)

    def clear(self) -> None:
        """Forget the last text; what is running is superseded."""
        if self.run is not None:
            self.run.supersede()
            self.run = None
        self._prompt, self.text = hash(""), ""

    def go_on(self, prompt: str) -> str:
        """`prompt` with the text that came after it, unless it is another than the last one.

        A run that is still going is superseded: the next begins where it is.
        """
        run = self.run
        if run is not None and run.generation is not None and not run.superseded:
            self._remember(run.generation.snapshot())
            run.supersede()
        return prompt + self.text if hash(prompt) == self._prompt else prompt

    def _remember(self, snapshot: Snapshot) -> None:
        self._prompt, self.text = self._running_prompt, snapshot.text
        self.allowance = snapshot.metrics.max_new_tokens
