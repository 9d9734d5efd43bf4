"""Bodies of the API, as OpenAI's completions API names them; the OpenAPI page is made from here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from codegen_ui.api.arguments import Body, StrictNumber, with_settings
from codegen_ui.request import MAX_LENGTH, MAX_LOGPROBS
from codegen_ui.texts import MAX_PROMPT_CHARACTERS

MAX_SAMPLES = 16
MAX_CHOICES = 64

# Of a prompt the schema only tells the limits: the request enforces them, and says what exceeds them by how much.
Text = Annotated[StrictStr, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PROMPT_CHARACTERS})]
TokenId = Annotated[StrictInt, WithJsonSchema({"type": "integer", "format": "token id"})]
# A million wrong elements are one mistake, not a million objects that describe it.
TokenIds = Annotated[list[TokenId], Field(fail_fast=True)]
Prompt = (
    Text | Annotated[list[Text], Field(fail_fast=True)] | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True)]
)


class StreamOptions(Body):
    """What a stream reports beside its text."""

    include_usage: StrictBool = Field(default=False, description="Send one more chunk with the usage before `[DONE]`.")
    continuous_usage_stats: StrictBool = Field(
        default=False, description="vLLM's extra: with `include_usage`, every chunk tells the usage so far."
    )


class PromptBody(Body):
    """What is continued, by which model."""

    model: StrictStr | None = Field(default=None, description="A model of `/v1/models`; the first one if not given.")
    prompt: Prompt = Field(
        description="Text to continue, or token ids, or a list of either (one completion is made for each, "
        f"`n` times, up to {MAX_CHOICES} a request). `<|endoftext|>` in a text is text. Prompt and `max_tokens` "
        f"together must fit the model's context; a prompt has at most {MAX_PROMPT_CHARACTERS:,} characters or ids."
    )
    max_tokens: Annotated[StrictInt, Field(ge=1, le=MAX_LENGTH - 1)] = Field(
        default=16, description="New tokens at most."
    )


class CompletionBody(with_settings(PromptBody)):  # type: ignore[misc]  # mypy knows no bases that are made
    """A request for completions. Arguments that are not listed here are refused, not ignored; null is the default."""

    n: StrictInt = Field(default=1, ge=1, le=MAX_SAMPLES, description="Completions for each prompt.")
    stream: StrictBool = Field(default=False, description="Server-sent events, a chunk a token, ended by `[DONE]`.")
    stream_options: StreamOptions | None = Field(default=None, description="Only with `stream`.")
    logprobs: Annotated[StrictInt, Field(ge=0, le=MAX_LOGPROBS)] | None = Field(
        default=None,
        description="Natural-log probabilities of each chosen token and of this many of the likeliest, under the "
        "model itself (before temperature and filters). Every generated token is reported, a cut tail included.",
    )
    echo: StrictBool = Field(
        default=False, description="Put the prompt before the completion; not with `logprobs`, not with token ids."
    )
    user: StrictStr | None = Field(default=None, description="Accepted and not used.")

    ignore_eos: StrictBool = Field(
        default=False, description="vLLM's extra: the model's own end does not stop (`stop_at` \"length\")."
    )
    return_token_ids: StrictBool = Field(
        default=False, description="vLLM's extra: token ids in every choice, where the backend tells them."
    )

    suffix: StrictStr | None = Field(default=None, description="Not supported: CodeGen only continues to the right.")
    best_of: StrictInt | None = Field(
        default=None, description="Not supported, unless equal to `n`, which changes nothing."
    )
    presence_penalty: StrictNumber | None = Field(
        default=None, description="Not supported unless 0; see `repetition_penalty`."
    )
    frequency_penalty: StrictNumber | None = Field(
        default=None, description="Not supported unless 0; see `repetition_penalty`."
    )
    logit_bias: dict[str, StrictNumber] | None = Field(default=None, description="Not supported unless empty.")


class Logprobs(BaseModel):
    """Parallel lists with one entry a generated token."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] = Field(
        description="The likeliest tokens, and always the chosen one: up to `logprobs` + 1 entries."
    )
    text_offset: list[int] = Field(description="Characters of all tokens before this one.")


FinishDetail = Literal["function", "paper", "eos", "stop", "length", "deadline"]


class Choice(BaseModel):
    """One completion, or one chunk of it."""

    index: int = Field(description="Prompt's index times `n`, plus the sample's.")
    text: str
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"] | None = Field(
        default=None, description="`length` too where the server's time limit ended it: see `finish_detail`."
    )
    finish_detail: FinishDetail | None = Field(
        default=None,
        description="This server's extra. For `stop`: a complete function (`function`), the paper's truncation "
        "(`paper`), the model's own end (`eos`), a stop string (`stop`). For `length`: `length`, or `deadline`.",
    )
    token_ids: list[int] | None = Field(default=None, description="With `return_token_ids`.")
    prompt_token_ids: list[int] | None = Field(default=None, description="With `return_token_ids`, not in streams.")


class PromptTokensDetails(BaseModel):
    cached_tokens: int = Field(description="Of the prompt tokens, those whose KV cache was reused.")


class Usage(BaseModel):
    """Tokens that were counted; a prompt counts once whatever `n`, tokens of a cut tail count."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class CompletionResponse(BaseModel):
    """Completions, or a chunk of a stream (the same object)."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int = Field(description="Seconds since 1970.")
    model: str
    system_fingerprint: str = Field(description="What really ran: checkpoint, dtype, quantization and device.")
    choices: list[Choice]
    usage: Usage | None = None


class ModelCard(BaseModel):
    """A model that the operator offers."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When this server started, seconds since 1970.")
    owned_by: Literal["codegen-playground"] = "codegen-playground"
    root: str | None = Field(description="The checkpoint that really runs; None while it is not loaded.")
    max_model_len: int | None = Field(description="The context in tokens; None while it is not loaded.")
    exactness: str = Field(
        description="What can be relied on of its tokens, against transformers and in company, with the option that "
        "gives the other; empty while it is not loaded, and where a remote server does not tell."
    )
    status: Literal["idle", "loading", "ready", "failed", "unavailable"] = Field(
        description="`unavailable`: it was loaded, but cannot generate now, such as when a remote server is down."
    )
    notice: str = Field(
        description="Such as that the bundled checkpoint stands in, why loading failed, or why it is unavailable."
    )


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class TokenizeBody(Body):
    """vLLM's request for a text's tokens."""

    model: StrictStr | None = Field(default=None, description="A model of `/v1/models`; the first one if not given.")
    prompt: Text = Field(description="The text to count.")
    add_special_tokens: StrictBool = Field(default=True, description="Accepted; CodeGen's tokenizer adds none.")


class TokenizeResponse(BaseModel):
    count: int
    max_model_len: int
    tokens: list[int] | None = Field(description="Token ids; None where the backend tells only their number.")


class ProblemDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ProblemResponse(BaseModel):
    """OpenAI's shape of an error."""

    error: ProblemDetail
