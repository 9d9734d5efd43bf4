"""The checkpoint as shipped: small, whole, CodeGen's layout, and able to write a textbook function."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CodeGenForCausalLM, CodeGenTokenizer

import codegen_ui
from codegen_ui.bundled import CHECKPOINT_DIR


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return CodeGenTokenizer.from_pretrained(CHECKPOINT_DIR)


@pytest.fixture(scope="module")
def model() -> Any:
    return CodeGenForCausalLM.from_pretrained(CHECKPOINT_DIR, dtype=torch.float32).eval()


def test_the_folder_is_small_and_whole() -> None:
    assert (CHECKPOINT_DIR / "model.safetensors").stat().st_size <= 40_000_000
    names = {path.name for path in CHECKPOINT_DIR.iterdir()}
    needed = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"}
    assert names >= needed | {"merges.txt", "README.md", "loss.png"}


def test_its_shape_is_what_was_promised(model: Any, tokenizer: Any) -> None:
    config = json.loads((CHECKPOINT_DIR / "config.json").read_text(encoding="utf-8"))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert 10_000_000 <= parameters <= 30_000_000
    assert config["n_positions"] >= 1024
    assert config["n_head"] % 4 == 0
    assert config["vocab_size"] == len(tokenizer)
    assert 4_000 <= len(tokenizer) <= 16_000
    assert config["eos_token_id"] == config["bos_token_id"] == tokenizer.eos_token_id


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(" \t\nx", max_size=80))
def test_its_tokenizer_gives_back_any_text(text: str) -> None:
    tokenizer = CodeGenTokenizer.from_pretrained(CHECKPOINT_DIR)
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_code_costs_few_tokens(tokenizer: Any) -> None:
    source = Path(codegen_ui.__file__).read_text(encoding="utf-8")
    assert len(source) / len(tokenizer(source)["input_ids"]) > 2.2


def test_the_last_position_of_the_context_still_gives_sane_logits(model: Any) -> None:
    ids = torch.full((1, model.config.n_positions), 7)
    with torch.no_grad():
        assert torch.isfinite(model(ids).logits).all()


@pytest.mark.parametrize(
    "prompt",
    [
        "def is_palindrome(text):\n",
        "# Write a function that returns the largest number in a list.\n",
        'def factorial(n):\n    """Return the factorial of n."""\n',
    ],
)
def test_greedy_completions_of_textbook_prompts_are_functions_that_parse(prompt: str) -> None:
    with codegen_ui.load("bundled", dtype="float32", slots=1) as engine:
        text = engine.submit(codegen_ui.GenerationRequest(prompt, max_length=256, temperature=0)).result().text
    tree = ast.parse(prompt + text)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(functions) == 1
    assert any(isinstance(node, ast.Return) for node in ast.walk(functions[0]))
