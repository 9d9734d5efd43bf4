"""Bodies of the API, as OpenAI's completions API names them; the OpenAPI page is made from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from codegen_ui.request import (
    MAX_LENGTH,
    MAX_LOGPROBS,
    MAX_PROMPT_CHARACTERS,
    MAX_REPETITION_PENALTY,
    MAX_SEED,
    MAX_STOP_CHARACTERS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    StopAt,
)

MAX_SAMPLES = 16
MAX_CHOICES = 64
MAX_STOPS = 4

Number = Annotated[float, Strict()]
"""As strict as the integers are: no booleans, no digits in quotes."""

# Of a prompt the schema only tells the limits: `check_prompt` enforces them, and says what exceeds them by how much.
Text = Annotated[StrictStr, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PROMPT_CHARACTERS})]
TokenId = Annotated[StrictInt, WithJsonSchema({"type": "integer", "format": "token id"})]
# A million wrong elements are one mistake, not a million objects that describe it.
TokenIds = Annotated[list[TokenId], Field(fail_fast=True)]
Prompt = (
    Text | Annotated[list[Text], Field(fail_fast=True)] | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True)]
)
Stop = Annotated[StrictStr, Field(min_length=1, max_length=MAX_STOP_CHARACTERS)]


class Body(BaseModel):
    """What every body does: it refuses arguments that it does not know, and takes null for a default."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _default_for_null(cls, values: Any) -> Any:
        """OpenAI's API and its clients' types allow null wherever there is a default."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None or not cls._has_default(name)}

    @classmethod
    def _has_default(cls, name: object) -> bool:
        return name in cls.model_fields and not cls.model_fields[str(name)].is_required()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Tell that null is allowed there."""
        reference = handler(core)
        fields = handler.resolve_ref_schema(reference)["properties"]
        fields.update({name: nullable(field) for name, field in fields.items() if cls._has_default(name)})
        return reference


def nullable(field: dict[str, Any]) -> dict[str, Any]:
    """A field's JSON schema that allows null too."""
    null = {"type": "null"}
    if "anyOf" in field:
        return field if null in field["anyOf"] else {**field, "anyOf": [*field["anyOf"], null]}
    about = {key: value for key, value in field.items() if key in ("title", "description", "default")}
    return {"anyOf": [{key: value for key, value in field.items() if key not in about}, null], **about}


class StreamOptions(Body):
    """What a stream reports beside its text."""

    include_usage: StrictBool = Field(default=False, description="Send one more chunk with the usage before `[DONE]`.")
    continuous_usage_stats: StrictBool = Field(
        default=False, description="vLLM's extra: with `include_usage`, every chunk tells the usage so far."
    )


class CompletionBody(Body):
    """A request for completions. Arguments that are not listed here are refused, not ignored; null is the default."""

    model: StrictStr | None = Field(default=None, description="A model of `/v1/models`; the first one if not given.")
    prompt: Prompt = Field(
        description="Text to continue, or token ids, or a list of either (one completion is made for each, "
        f"`n` times, up to {MAX_CHOICES} a request). `<|endoftext|>` in a text is text. Prompt and `max_tokens` "
        f"together must fit the model's context; a prompt has at most {MAX_PROMPT_CHARACTERS:,} characters or ids."
    )
    max_tokens: Annotated[StrictInt, Field(ge=1, le=MAX_LENGTH - 1)] = Field(
        default=16, description="New tokens at most."
    )
    temperature: Number = Field(default=1.0, ge=0, le=MAX_TEMPERATURE, description="0 is greedy.")
    top_p: Number = Field(default=1.0, gt=0, le=1, description="Nucleus mass that is kept.")
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
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = Field(
        default=None,
        description=f"Up to {MAX_STOPS} strings of 1 to {MAX_STOP_CHARACTERS} characters that end the completion; they "
        "are not part of it.",
    )
    seed: Annotated[StrictInt, Field(ge=0, le=MAX_SEED)] | None = Field(
        default=None, description="The same seed gives the same tokens, whatever else the server does and whatever `n`."
    )
    user: StrictStr | None = Field(default=None, description="Accepted and not used.")

    top_k: Annotated[StrictInt, Field(ge=-1, le=MAX_TOP_K)] = Field(
        default=0, description="vLLM's extra: tokens that are kept; 0 or -1 keeps all."
    )
    min_p: Number = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="vLLM's extra: drops tokens under this share of the likeliest one's probability.",
    )
    repetition_penalty: Number = Field(
        default=1.0, gt=0, le=MAX_REPETITION_PENALTY, description="vLLM's extra: 1 is none; counts the prompt too."
    )
    ignore_eos: StrictBool = Field(
        default=False, description="vLLM's extra: the model's own end does not stop (`stop_at` \"length\")."
    )
    return_token_ids: StrictBool = Field(
        default=False, description="vLLM's extra: token ids in every choice, where the backend tells them."
    )
    stop_at: StopAt = Field(
        default=StopAt.EOS,
        description="This server's extra: also end after the first complete top-level function or class "
        '("function"), as the CodeGen paper truncates ("paper"), at the model\'s own end ("eos") or only at the '
        'length ("length").',
    )

    suffix: StrictStr | None = Field(default=None, description="Not supported: CodeGen only continues to the right.")
    best_of: StrictInt | None = Field(
        default=None, description="Not supported, unless equal to `n`, which changes nothing."
    )
    presence_penalty: Number | None = Field(
        default=None, description="Not supported unless 0; see `repetition_penalty`."
    )
    frequency_penalty: Number | None = Field(
        default=None, description="Not supported unless 0; see `repetition_penalty`."
    )
    logit_bias: dict[str, Number] | None = Field(default=None, description="Not supported unless empty.")


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
