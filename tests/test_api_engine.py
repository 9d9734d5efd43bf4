"""The API over the real engine with a small random checkpoint: what HTTP gives is what the engine generates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from fake_engine import wait_until
from tiny import one_thread, tiny
from web import api_app, running

from codegen_ui.engine.host import LocalEngine
from codegen_ui.remote import RemoteEngine
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase

PROMPT = "def binary_search(items, wanted):\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with one_thread(), tiny(n_positions=512, n_ctx=512).engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def url(engine: LocalEngine) -> Iterator[str]:
    service = Service(["tiny"], lambda name, progress: Loaded(engine))
    service.start()
    wait_until(lambda: service.status().phase is Phase.READY)
    with running(api_app(service)) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=60) as client:
        yield client


def ask(client: openai.OpenAI, **settings: Any) -> Any:
    values: dict[str, Any] = {"model": "tiny", "prompt": PROMPT, "max_tokens": 40, "extra_body": {"ignore_eos": True}}
    return client.completions.create(**(values | settings))


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"temperature": 0.8, "top_p": 0.9, "seed": 4}], ids=str)
def test_whole_streamed_and_straight_from_the_engine_are_one_text(
    client: openai.OpenAI, engine: LocalEngine, settings: dict[str, Any]
) -> None:
    straight = engine.submit(
        GenerationRequest(PROMPT, max_new_tokens=40, stop_at="length", **({"top_p": 1.0} | settings))
    ).result(60)
    assert ask(client, **settings).choices[0].text == straight.text
    chunks = list(ask(client, stream=True, **settings))
    assert "".join(chunk.choices[0].text for chunk in chunks) == straight.text
    assert len(chunks) == 41


def test_a_seed_gives_the_same_first_sample_whatever_n(client: openai.OpenAI) -> None:
    alone = ask(client, temperature=0.9, seed=11)
    several = ask(client, temperature=0.9, seed=11, n=3)
    texts = [choice.text for choice in several.choices]
    assert texts[0] == alone.choices[0].text
    assert len(set(texts)) == 3
    assert several.usage.completion_tokens == 120
    assert several.usage.prompt_tokens == alone.usage.prompt_tokens == engine_count(client)


def engine_count(client: openai.OpenAI) -> int:
    return int(client.post("../tokenize", body={"prompt": PROMPT}, cast_to=dict)["count"])


def test_logprobs_are_the_models_own(client: openai.OpenAI) -> None:
    """Greedy choice is the likeliest; one token's rivals and itself never exceed probability one."""
    found = ask(client, temperature=0, logprobs=5).choices[0].logprobs
    assert len(found.tokens) == 40
    for logprob, top in zip(found.token_logprobs, found.top_logprobs, strict=True):
        assert logprob == max(top.values())
        assert sum(math.exp(value) for value in top.values()) <= 1 + 1e-5


def test_token_ids_as_prompt_are_the_text_as_prompt(client: openai.OpenAI, engine: LocalEngine) -> None:
    text = ask(client, temperature=0).choices[0].text
    assert ask(client, temperature=0, prompt=list(engine.encode(PROMPT))).choices[0].text == text


def test_ids_outside_the_vocabulary_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="token ids below"):
        ask(client, prompt=[10**6])


def test_a_stream_that_is_closed_frees_its_slot(client: openai.OpenAI, engine: LocalEngine) -> None:
    stream = ask(client, stream=True, max_tokens=480)
    next(iter(stream))
    stream.close()
    wait_until(lambda: engine.stats().active == 0, 1)


def test_a_remote_engine_over_this_api_gives_the_engines_own_tokens(url: str, engine: LocalEngine) -> None:
    request = GenerationRequest(PROMPT, max_length=100, temperature=0.7, top_k=20, seed=3, stop_at="length", logprobs=1)
    straight = engine.submit(request).result(60)
    with RemoteEngine([f"{url}/v1"]) as remote:
        assert remote.wait_until_up(10) == ""
        result = remote.submit(request).result(60)
    assert (result.text, result.token_ids) == (straight.text, straight.token_ids)
    assert result.prompt_token_ids == straight.prompt_token_ids
    assert result.metrics.output_tokens == straight.metrics.output_tokens
    assert [event.top[0].token for event in result.tokens] == [event.top[0].token for event in straight.tokens]


def test_end_of_text_in_a_remote_prompt_has_the_ids_that_the_engine_gives_it(url: str, engine: LocalEngine) -> None:
    text = "x(<|endoftext|>) # <|endoftext|>"
    with RemoteEngine([f"{url}/v1"]) as remote:
        assert remote.wait_until_up(10) == ""
        assert remote.encode(text) == engine.encode(text)
