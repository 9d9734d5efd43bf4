"""Between the API's words and the engine's: bodies to requests, tokens and completions to choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen_ui.api.problems import Problem, unsupported
from codegen_ui.api.schemas import (
    MAX_CHOICES,
    Choice,
    CompletionBody,
    FinishDetail,
    Logprobs,
    PromptTokensDetails,
    Usage,
)
from codegen_ui.generation import Completion, ModelInfo, TokenEvent
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import MAX_LENGTH, FinishReason, GenerationRequest, StopAt, api_settings

STOPPED: dict[FinishReason, FinishDetail] = {
    FinishReason.FUNCTION: "function",
    FinishReason.PAPER: "paper",
    FinishReason.EOS: "eos",
    FinishReason.STOP_STRING: "stop",
}
LIMITED: dict[FinishReason, FinishDetail] = {FinishReason.LENGTH: "length", FinishReason.DEADLINE: "deadline"}


def check_supported(body: CompletionBody) -> None:
    """Raises `Problem` 400 for what OpenAI's API has and this server has not."""
    if body.suffix:
        raise unsupported("suffix", "CodeGen models only continue a text to the right.")
    if body.best_of is not None and body.best_of != body.n:
        raise unsupported("best_of", "ask for n completions and choose by their logprobs.")
    if body.presence_penalty:
        raise unsupported("presence_penalty", "use repetition_penalty.")
    if body.frequency_penalty:
        raise unsupported("frequency_penalty", "use repetition_penalty.")
    if body.logit_bias:
        raise unsupported("logit_bias", "token probabilities cannot be edited.")
    if body.stream_options is not None and not body.stream:
        raise Problem(400, "stream_options: only allowed when stream is true.", param="stream_options")
    if body.echo and body.logprobs is not None:
        raise unsupported("echo", "with logprobs, because the prompt's own logprobs are not computed.")


def list_prompts(body: CompletionBody) -> list[str | list[int]]:
    """The prompts one by one. Raises `Problem` 400 for an empty list, or `echo` with token ids."""
    if isinstance(body.prompt, str):
        return [body.prompt]
    if not body.prompt:
        message = "prompt: [] is not allowed; it must have at least one element."
        raise Problem(400, message, param="prompt", code="invalid_value")
    if isinstance(body.prompt[0], int):
        prompts: list[str | list[int]] = [[token for token in body.prompt if isinstance(token, int)]]
    else:
        prompts = [prompt for prompt in body.prompt if not isinstance(prompt, int)]
    if body.echo and any(not isinstance(prompt, str) for prompt in prompts):
        raise unsupported("echo", "with token ids; give the prompt as text.")
    return prompts


def generation_requests(body: CompletionBody, visitor: str) -> list[GenerationRequest]:
    """One request a choice, in the order of their indices. Raises `Problem` or `InvalidInput`."""
    check_supported(body)
    prompts = list_prompts(body)
    if len(prompts) * body.n > MAX_CHOICES:
        message = f"prompt: {len(prompts)} prompts times n={body.n} exceed {MAX_CHOICES} completions a request."
        raise Problem(400, message, param="prompt", code="invalid_value")
    settings: dict[str, Any] = {one.name: getattr(body, one.name) for one in api_settings()}
    settings["top_k"] = max(settings["top_k"], 0)
    if body.ignore_eos:
        settings["stop_at"] = StopAt.LENGTH
    return [
        GenerationRequest(
            prompt,
            max_length=MAX_LENGTH,
            max_new_tokens=body.max_tokens,
            sample_index=sample,
            logprobs=body.logprobs,
            visitor=visitor,
            **settings,
        )
        for prompt in prompts
        for sample in range(body.n)
    ]


def check_room(body: CompletionBody, choices: int, slots: int, waiting: int) -> None:
    """Raises `Problem` 400 where an engine would refuse so many choices even if it were idle.

    To wait and try again, which is the advice where others fill the queue, would never help.
    """
    if choices <= slots + waiting:
        return
    prompts = choices // body.n
    param, given = ("n", f"{body.n}") if body.n > 1 else ("prompt", f"a list of {prompts} prompts")
    times = f" for each of {prompts} prompts" if body.n > 1 and prompts > 1 else ""
    message = (
        f"{param}: {given}{times} is not allowed; it must be at most {slots + waiting} completions a request "
        f"(generated at once: {slots}, waiting: {waiting})."
    )
    raise Problem(400, message, param=param, code="invalid_value", told=True)


def check_context(tokens: int | None, max_tokens: int, context: int) -> None:
    """Raises `Problem` 400 where a prompt does not fit; None (the backend cannot count) passes."""
    if tokens is not None and tokens + max_tokens > context:
        message = (
            f"This model's maximum context length is {context} tokens. However, you requested {tokens + max_tokens} "
            f"tokens ({tokens} in the prompt, {max_tokens} for the completion). Please shorten either."
        )
        raise Problem(400, message, param="prompt", code="context_length_exceeded")


def fingerprint(info: ModelInfo) -> str:
    return "/".join(part for part in (info.name, info.dtype, info.quantize, info.device) if part and part != "none")


def token_logprobs(events: Sequence[TokenEvent], offset: int = 0) -> Logprobs:
    """The lists of OpenAI's `logprobs` object; `offset` is the number of characters before the first token."""
    found = Logprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
    for event in events:
        if event.logprob is None:
            continue
        found.tokens.append(event.logprob.token)
        found.token_logprobs.append(event.logprob.logprob)
        likeliest = {top.token: top.logprob for top in event.top}
        found.top_logprobs.append({**likeliest, event.logprob.token: event.logprob.logprob})
        found.text_offset.append(offset)
        offset += len(event.logprob.token)
    return found


def end_choice(index: int, text: str, reason: FinishReason) -> Choice:
    """A choice that has ended. Raises `Problem` 503 where the server, not the model or the client, ended it."""
    if reason in STOPPED:
        return Choice(index=index, text=text, logprobs=None, finish_reason="stop", finish_detail=STOPPED[reason])
    if reason in LIMITED:
        return Choice(index=index, text=text, logprobs=None, finish_reason="length", finish_detail=LIMITED[reason])
    message = "The generation was cancelled by the server, which may be shutting down."
    raise Problem(503, message, type="server_error", code="cancelled", headers={"Retry-After": "5"}, told=True)


def whole_choice(index: int, completion: Completion, body: CompletionBody) -> Choice:
    """A finished completion as one choice, without a prompt that is to be echoed."""
    choice = end_choice(index, completion.text, completion.finish_reason)
    if body.logprobs is not None:
        choice.logprobs = token_logprobs(completion.tokens)
    if body.return_token_ids:
        choice.token_ids = list(completion.token_ids)
        choice.prompt_token_ids = list(completion.prompt_token_ids)
    return choice


def count_usage(metrics: Sequence[GenerationMetrics], n: int) -> Usage:
    """Usage of all choices; every `n` of them share one prompt."""
    prompts = metrics[::n]
    prompt = sum(figures.prompt_tokens for figures in prompts)
    completion = sum(figures.output_tokens for figures in metrics)
    cached = sum(figures.cached_prompt_tokens for figures in prompts)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=cached),
    )
