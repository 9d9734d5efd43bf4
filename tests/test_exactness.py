"""What the page and the API promise of the tokens is what the model that runs can keep."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_checkpoints import new_layout

from codegen_ui.bench.__main__ import main
from codegen_ui.exactness import exactness, name_of
from codegen_ui.generation import ModelInfo

INT8 = ModelInfo("m", "a", 2048, dtype="float32", quantize="int8", batch_invariant=True, device="cpu")
FLOAT32 = replace(INT8, quantize="none", batch_invariant=False)


def test_only_float32_is_called_identical_to_transformers() -> None:
    assert exactness(FLOAT32).startswith("float32: greedy tokens identical to transformers'")
    for info in (INT8, replace(FLOAT32, dtype="bfloat16"), replace(FLOAT32, dtype="float16", device="cuda:0")):
        line = exactness(info)
        assert line.startswith(f"{name_of(info)}: close to transformers in float32")
        assert "identical to transformers" not in line


def test_the_same_tokens_in_any_company_are_promised_only_where_the_model_keeps_it() -> None:
    assert "bit for bit" in exactness(INT8)
    assert "bit for bit" not in exactness(FLOAT32)
    assert "who else is served can change a token" in exactness(replace(INT8, batch_invariant=False))


def test_why_int8_does_not_keep_it_on_this_cpu_is_said() -> None:
    lacking = replace(INT8, batch_invariant=False, batch_note="this CPU lacks avx2")
    assert "who else is served can change a token, because this CPU lacks avx2;" in exactness(lacking)


@pytest.mark.parametrize(
    ("info", "option"),
    [
        (INT8, "--quantize none is identical"),
        (FLOAT32, "--quantize int8 is faster"),
        (replace(FLOAT32, dtype="bfloat16"), "--dtype float32 is identical"),
        (replace(INT8, dtype="bfloat16"), "--quantize none --dtype float32 is identical"),
        (replace(FLOAT32, device="cuda:0"), "--dtype float16 is faster"),
    ],
)
def test_the_option_that_gives_the_other_is_named(info: ModelInfo, option: str) -> None:
    assert option in exactness(info)


def test_of_a_remote_server_nothing_is_promised() -> None:
    assert exactness(ModelInfo("m", "remote", 2048)) == ""


def test_the_benchmark_finds_float32_to_be_transformers_own_and_bfloat16_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_layout(tmp_path, n_positions=512, n_ctx=512)
    options = ["--prompts", "2", "--texts", "8", "--rounds", "1", "--kinds", "float32", "bfloat16"]
    assert main(["exactness", "--model", str(tmp_path), *options]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["ratios"]["float32_agree_256"] == 1
    figures, rounded = result["figures"]["float32"], result["figures"]["bfloat16"]
    assert rounded["perplexity"] != figures["perplexity"]
    assert figures["rows"] > 100
    assert figures["rows_with_another_best_token"] == 0
    assert figures["largest_logit_difference"] < 1e-3
    assert rounded["largest_logit_difference"] > figures["largest_logit_difference"]
