"""What one visitor asks for: validated once, here, whoever asks (page, API, library).

The one table of settings. To add one, add a row to the class that it belongs to, and use it where it matters (the
sampler has its `SamplingParams`, everybody else the whole `GenerationRequest`). The row makes its check, its widget,
the API's argument and its schema, its field of example files, its column in the list of runs, what remote servers are
sent, and, by `python -m tests.readme`, its line in the README; see `table.Setting` for what a row says.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import KW_ONLY, MISSING, dataclass

from codegen_ui.kinds import Choice, Integer, Number, Switch
from codegen_ui.table import Checked, Setting, rows, setting
from codegen_ui.texts import PROMPT, StopStrings

MAX_LENGTH = 2048
MAX_SEED = 2**63 - 1
MAX_LOGPROBS = 5


class StopAt(str, enum.Enum):
    """Where a completion ends, besides its stop strings and its length."""

    FUNCTION = "function"
    """The first complete top-level function or class, judged from the text; the model's own end too."""
    PAPER = "paper"
    """The truncation of the CodeGen paper's sampling script; the model's own end too."""
    EOS = "eos"
    """Only the model's own `<|endoftext|>`."""
    LENGTH = "length"
    """Only the maximum length: `<|endoftext|>` does not stop."""


class FinishReason(str, enum.Enum):
    """Why a generation ended."""

    FUNCTION = "function"
    PAPER = "paper"
    EOS = "eos"
    STOP_STRING = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    ERROR = "error"

    @property
    def early(self) -> bool:
        """Whether the model or a stopping rule ended the text, before a limit or anybody did."""
        return self in (FinishReason.FUNCTION, FinishReason.PAPER, FinishReason.EOS, FinishReason.STOP_STRING)

    @property
    def words(self) -> str:
        """As people say it."""
        return {
            FinishReason.FUNCTION: "end of function",
            FinishReason.PAPER: "the paper's truncation",
            FinishReason.EOS: "the model ended",
            FinishReason.STOP_STRING: "stop string",
            FinishReason.LENGTH: "maximum length",
            FinishReason.CANCELLED: "stopped by you",
            FinishReason.DEADLINE: "time limit",
            FinishReason.ERROR: "error",
        }[self]


@dataclass(frozen=True, kw_only=True)
class Lengths(Checked):
    """How long a completion may become."""

    max_length: int = setting(
        512,
        Integer(2, MAX_LENGTH),
        "prompt and completion together, in tokens (transformers' `max_length`)",
        label="Max length, with prompt",
        origin="",
    )
    max_new_tokens: int | None = setting(
        None,
        Integer(1, MAX_LENGTH - 1),
        "when given, bounds the completion alone, and the model's context takes the place of `max_length`",
        origin="",
    )


@dataclass(frozen=True, kw_only=True)
class SamplingParams(Checked):
    """How the next token is drawn; the order is transformers': penalty, temperature, top-k, top-p, min-p."""

    temperature: float = setting(
        0.2,
        Number(0, 5),
        "0 is greedy; otherwise logits are divided by it",
        neutral=1.0,
        origin="openai",
        label="Temperature, 0: greedy",
        short="t",
        slider=(0, 2, 0.05),
    )
    top_p: float = setting(
        0.95,
        Number(0, 1, open_low=True),
        "nucleus mass that is kept; 1 keeps all",
        neutral=1.0,
        origin="openai",
        label="Top-p",
        short="p",
        slider=(0.05, 1, 0.01),
    )
    top_k: int = setting(
        0,
        Integer(0, 51_200),
        "tokens that are kept; 0 keeps all",
        neutral=0,
        origin="vllm",
        label="Top-k, 0: off",
        short="k",
        slider=(0, 200, 1),
    )
    min_p: float = setting(
        0.0,
        Number(0, 1, open_high=True),
        "drops tokens under this share of the likeliest one's probability",
        neutral=0.0,
        origin="vllm",
        label="Min-p",
        short="min-p",
        slider=(0, 0.5, 0.01),
    )
    repetition_penalty: float = setting(
        1.0,
        Number(0, 5, open_low=True),
        "1 is none; counts the prompt too (Keskar et al. 2019, as in transformers)",
        neutral=1.0,
        origin="vllm",
        label="Repetition penalty",
        short="rep",
        slider=(1, 2, 0.01),
    )
    seed: int | None = setting(
        None,
        Integer(0, MAX_SEED),
        "the same seed gives the same tokens, as far as the model's exactness goes",
        origin="openai",
        unset="random",
        label="Seed",
    )
    sample_index: int = setting(
        0,
        Integer(0, 1_000_000),
        "which of several samples of one request this is; each has its own random stream",
        origin="",
    )


@dataclass(frozen=True)
class GenerationRequest(SamplingParams, Lengths):
    """One completion to make: `GenerationRequest(prompt, max_length=128, temperature=0)`.

    Construction raises `InvalidInput`, naming the field, for anything out of range. Fields are held as their kinds
    give them back: token ids and stop strings as tuples, `stop_at` as a `StopAt`.

    Attributes:
        visitor: who asks, for fairness between visitors; any opaque string.
    """

    prompt: str | Sequence[int] = setting(
        MISSING, PROMPT, "text to continue, or token ids for programs that tokenize themselves", origin=""
    )
    _: KW_ONLY
    stop: Sequence[str] = setting(
        (),
        StopStrings(),
        "strings that end the completion; they are not part of its text",
        neutral=(),
        origin="openai",
        label="Stop strings, one a line",
    )
    stop_at: str = setting(
        StopAt.FUNCTION,
        Choice(StopAt, ("Function end", "Paper's rule", "Model's end", "Max length")),
        'where else it ends: after the first complete top-level function or class ("function"), as the CodeGen paper '
        'truncates ("paper"), at the model\'s own end ("eos") or only at the length ("length")',
        neutral=StopAt.EOS,
        label="Stop at",
    )
    logprobs: int | None = setting(
        None,
        Integer(0, MAX_LOGPROBS),
        "how many of the likeliest tokens to report beside each chosen one",
        origin="",
    )
    deadline_seconds: float | None = setting(
        None,
        Number(0, 86_400, open_low=True),
        "the longest it may take, from its arrival; without one the engine's own is in force",
        origin="",
    )
    lookup: bool = setting(
        True,
        Switch(),
        "prompt-lookup speculation where the server has it; without, the same tokens take longer",
        neutral=True,
        origin="",
    )
    visitor: str = ""

    @property
    def sampling(self) -> SamplingParams:
        """Those of its fields that say how the next token is drawn."""
        return SamplingParams(**{one.name: getattr(self, one.name) for one in rows(SamplingParams, Setting)})


def page_settings(table: type = GenerationRequest) -> tuple[Setting, ...]:
    """The settings that the page, the gallery's files and the list of runs have."""
    return tuple(one for one in rows(table, Setting) if one.label)


def api_settings(table: type = GenerationRequest) -> tuple[Setting, ...]:
    """The settings that the API takes under the same names."""
    return tuple(one for one in rows(table, Setting) if one.origin)


def person(visitor: str) -> str:
    """Of a request's visitor, `ADDRESS` or `ADDRESS TAB`, the part that cannot be made up."""
    return visitor.partition(" ")[0]
