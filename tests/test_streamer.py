"""Text as soon as it is whole, whoever writes: our engine or transformers' generate."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny, tokenizer

from codegen_ui.engine.streamer import GenerationStream, IncrementalDecoder, decode_all, plain_tokenizer
from codegen_ui.errors import GenerationFailed

CORE = plain_tokenizer(tokenizer())


def test_end_of_text_typed_in_a_prompt_is_text() -> None:
    end = tokenizer().eos_token_id
    assert end in tokenizer()("a<|endoftext|>b")["input_ids"]
    ids = CORE.encode("a<|endoftext|>b    c", add_special_tokens=False).ids
    assert end not in ids
    assert decode_all(CORE, ids) == "a<|endoftext|>b    c"


def test_prompts_are_tokenized_as_by_transformers() -> None:
    text = "def foo(bar):\n    return [x for x in bar if x != 1]\n\t\t# é 日本 🎉        end\n"
    assert CORE.encode(text, add_special_tokens=False).ids == tokenizer()(text)["input_ids"]


def test_a_character_comes_out_with_its_last_byte() -> None:
    decoder = IncrementalDecoder(CORE)
    pieces = [decoder.push(token) for token in CORE.encode("é日x", add_special_tokens=False).ids]
    assert "".join(pieces) == "é日x"
    assert pieces == ["", "é", "", "", "日", "x"]
    assert decoder.finish() == ""


def test_text_without_spaces_does_not_wait_for_one() -> None:
    decoder = IncrementalDecoder(CORE)
    ids = CORE.encode("foo(bar,baz)[x!=1]", add_special_tokens=False).ids
    assert all(decoder.push(token) for token in ids)


def test_what_never_became_a_character_is_marked_at_the_end() -> None:
    decoder = IncrementalDecoder(CORE)
    first_byte = CORE.encode("é", add_special_tokens=False).ids[0]
    assert decoder.push(first_byte) == ""
    assert decoder.finish() == "\ufffd"


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_survives_the_way_through_the_decoder(text: str) -> None:
    decoder = IncrementalDecoder(CORE)
    ids = CORE.encode(text, add_special_tokens=False).ids
    assert "".join(decoder.push(token) for token in ids) + decoder.finish() == decode_all(CORE, ids) == text


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(0, len(tokenizer()) - 1), max_size=40))
def test_any_ids_give_the_text_of_a_full_decode(ids: list[int]) -> None:
    decoder = IncrementalDecoder(CORE)
    assert "".join(decoder.push(token) for token in ids) + decoder.finish() == decode_all(CORE, ids)


def test_an_error_reaches_the_reader_after_the_text_before_it() -> None:
    stream = GenerationStream(tokenizer())
    stream.write("text")
    stream.fail(GenerationFailed("broken"))
    assert next(stream) == "text"
    for _ in range(2):
        with pytest.raises(GenerationFailed, match="broken"):
            next(stream)


def test_an_ended_stream_stays_ended() -> None:
    stream = GenerationStream(tokenizer())
    stream.close()
    assert list(stream) == list(stream) == []


@pytest.mark.parametrize("skip_prompt", [True, False])
def test_transformers_generate_can_write_to_it(skip_prompt: bool) -> None:
    model = tiny().theirs
    prompt = tokenizer()("def foo(bar):\n", return_tensors="pt")["input_ids"]
    stream = GenerationStream(tokenizer(), skip_prompt=skip_prompt, timeout=60)
    settings = {"max_new_tokens": 30, "do_sample": False, "pad_token_id": 0, "eos_token_id": None, "streamer": stream}
    thread = threading.Thread(target=model.generate, args=(prompt,), kwargs=settings)
    thread.start()
    text = "".join(stream)
    thread.join()
    del settings["streamer"]
    output = model.generate(prompt, **settings)[0]
    assert text == decode_all(CORE, output[prompt.shape[1] if skip_prompt else 0 :].tolist())


def test_a_batch_of_several_is_refused() -> None:
    with pytest.raises(ValueError, match="one sequence"):
        GenerationStream(tokenizer()).put(torch.zeros(2, 3, dtype=torch.int64))
