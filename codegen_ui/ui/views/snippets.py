"""A run as code: with transformers alone, as `curl`, with the `openai` client, with `gradio_client`.

The tests run every snippet. Greedy ones give the page's own tokens where its weights are float32; what else holds and
what does not, each snippet says itself.
"""

from __future__ import annotations

import json
import pprint
from dataclasses import dataclass
from typing import Any

from codegen_ui.checkpoints import BUNDLED
from codegen_ui.generation import ModelInfo
from codegen_ui.request import GenerationRequest, StopAt

BUNDLED_FOLDER = "codegen_ui/bundled/checkpoint"
NEUTRAL = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
OPENAI = ("top_p",)
"""Those of `NEUTRAL` that the `openai` client knows by name; the others travel in `extra_body`."""


@dataclass(frozen=True)
class Told:
    """What is known of the run beside its request.

    Attributes:
        model: the operator's name for the model.
        info: of what really runs.
        address: of the server as the visitor's browser knows it, with a slash at the end.
        allowance: new tokens that the run may take at most.
        tokens: those it took, the ones included whose text was cut; None where it has not been run.
        dropped: tokens of the prompt's beginning that did not fit.
        seed: of the run; None where it has not been run.
    """

    model: str
    info: ModelInfo
    address: str
    allowance: int
    tokens: int | None = None
    dropped: int = 0
    seed: int | None = None


def write(request: GenerationRequest, told: Told) -> dict[str, str]:
    """The snippets by name, in the order in which they are shown."""
    return {
        "transformers": with_transformers(request, told),
        "curl": with_curl(request, told),
        "openai": with_openai(request, told),
        "gradio_client": with_gradio_client(request, told),
    }


def with_transformers(request: GenerationRequest, told: Told) -> str:
    """Python with transformers alone, which knows no end of a function: it takes as many tokens as the run did."""
    greedy = request.temperature == 0
    name = BUNDLED_FOLDER if told.info.name == BUNDLED else told.info.name
    revision = f", revision={told.info.revision!r}" if told.info.revision else ""
    options: dict[str, Any] = {"do_sample": not greedy}
    if not greedy:
        options |= {"temperature": request.temperature, "top_k": request.top_k, "top_p": request.top_p}
        options |= {"min_p": request.min_p} if request.min_p else {}
    if request.repetition_penalty != 1:
        options["repetition_penalty"] = request.repetition_penalty
    options["max_new_tokens"] = told.allowance if told.tokens is None else told.tokens
    if request.stop_at is StopAt.LENGTH:
        options["eos_token_id"] = None
    options_text = "".join(f"    {key}={value!r},\n" for key, value in options.items())
    cut = f"[:, {told.dropped}:]  # the page drops the beginning of a prompt that is too long" if told.dropped else ""
    seeded = "" if greedy else f"torch.manual_seed({told.seed or 0})\n"
    comments = "".join(f"# {line}\n" for line in transformers_notes(request, told))
    return f"""{comments}import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

checkpoint = {name!r}
tokenizer = AutoTokenizer.from_pretrained(checkpoint{revision})
model = AutoModelForCausalLM.from_pretrained(checkpoint{revision}, dtype=torch.float32)
prompt = {literal(request.prompt)}
{seeded}ids = tokenizer(prompt, return_tensors="pt").input_ids{cut}
output = model.generate(
    ids,
    attention_mask=torch.ones_like(ids),
    pad_token_id=tokenizer.eos_token_id,
{options_text})
print(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True))
"""


def transformers_notes(request: GenerationRequest, told: Told) -> list[str]:
    """What holds for the tokens, and what does not."""
    notes = []
    if request.temperature != 0:
        notes.append("Drawn by other random numbers than the page's: another sample of the same distribution.")
    elif told.info.quantize != "none" or told.info.dtype != "float32":
        kind = "8-bit weights" if told.info.quantize != "none" else told.info.dtype
        notes.append(f"The page ran with {kind}, this is float32: its tokens may differ.")
    else:
        notes.append("Greedy in float32: token for token what the page wrote.")
    if told.tokens is None:
        notes.append("Not run yet on the page: this goes on to the maximum length, past the end of the function.")
    elif request.stop_at in (StopAt.FUNCTION, StopAt.PAPER) or request.stop:
        notes.append(f"transformers knows no end of a function: {told.tokens} tokens are what the page took to it.")
    return notes


def with_curl(request: GenerationRequest, told: Told) -> str:
    body = json.dumps(api_arguments(request, told), indent=2, ensure_ascii=False)
    return (
        f"# {api_note(request, told)}\n"
        f"curl -sS {told.address}v1/completions -H 'Content-Type: application/json' -d @- <<'END'\n{body}\nEND\n"
    )


def with_openai(request: GenerationRequest, told: Told) -> str:
    arguments = api_arguments(request, told)
    prompt = arguments.pop("prompt")
    known = ("model", "max_tokens", "temperature", "seed", "stop", *OPENAI)
    own = {key: value for key, value in arguments.items() if key in known}
    extra = {key: value for key, value in arguments.items() if key not in known}
    lines = "".join(f"    {key}={value!r},\n" for key, value in own.items())
    return f"""# {api_note(request, told)}
from openai import OpenAI

client = OpenAI(base_url="{told.address}v1", api_key="unused")  # or a key, where the server asks for one
prompt = {literal(prompt)}
completion = client.completions.create(
    prompt=prompt,
{lines}    extra_body={extra!r},
)
print(completion.choices[0].text)
"""


def with_gradio_client(request: GenerationRequest, told: Told) -> str:
    arguments: dict[str, Any] = {"max_length": request.max_length, "temperature": request.temperature}
    arguments |= unusual(request)
    if request.temperature != 0 and told.seed is not None:
        arguments["seed"] = told.seed
    if request.stop:
        arguments["stop"] = list(request.stop)
    arguments |= {"stop_at": StopAt(request.stop_at).value, "model": told.model, "api_name": "/generate"}
    lines = "".join(f"    {key}={value!r},\n" for key, value in arguments.items())
    return f"""# {api_note(request, told)}
from gradio_client import Client

client = Client("{told.address}")
prompt = {literal(request.prompt)}
text = client.predict(
    prompt=prompt,
{lines})
print(text)
"""


def api_arguments(request: GenerationRequest, told: Told) -> dict[str, Any]:
    """The body of `/v1/completions`; what is as OpenAI has it by default is left out."""
    arguments: dict[str, Any] = {
        "model": told.model,
        "prompt": request.prompt,
        "max_tokens": told.allowance,
        "temperature": request.temperature,
        **unusual(request),
    }
    if request.temperature != 0 and told.seed is not None:
        arguments["seed"] = told.seed
    if request.stop:
        arguments["stop"] = list(request.stop)
    return {**arguments, "stop_at": StopAt(request.stop_at).value, "return_token_ids": True}


def unusual(request: GenerationRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name, neutral in NEUTRAL.items() if getattr(request, name) != neutral}


def api_note(request: GenerationRequest, told: Told) -> str:
    """What the same server promises of the same request."""
    if request.temperature != 0 and told.seed is None:
        return "No seed yet: every call is another sample."
    if told.info.dtype == "float32":
        return "The same server gives the same tokens, whoever else is being served."
    return f"The same server, in {told.info.dtype}: with others being served beside it, tokens may differ."


def literal(prompt: object) -> str:
    """A prompt as Python source, readable where that is exact."""
    if not isinstance(prompt, str):
        return pprint.pformat(prompt, width=110, compact=True)
    quotes = "'''" if '"""' in prompt else '"""'
    plain = all(character.isprintable() or character == "\n" for character in prompt)
    if plain and "\n" in prompt and "\\" not in prompt and quotes not in prompt and not prompt.endswith(quotes[0]):
        return f"{quotes}\\\n{prompt}{quotes}"
    return repr(prompt)
