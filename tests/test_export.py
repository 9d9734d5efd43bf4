"""The export is the same model in GPT-J's clothes, and says so only after reloading it."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_checkpoints import new_layout, old_layout
from transformers import AutoModelForCausalLM, AutoTokenizer, CodeGenForCausalLM

from codegen_ui.checkpoints import open_checkpoint
from codegen_ui.engine.model.config import SIZES, shape_of
from codegen_ui.export import convert
from codegen_ui.export.__main__ import VLLM_CPU_HEADS, main
from codegen_ui.export.convert import gptj_shapes, plan_shards
from codegen_ui.export.verify import NotEqual, verify

SHAPES = {
    "4 heads": {"n_embd": 32, "n_head": 4, "rotary_dim": 4},
    "8 heads, whole head rotated": {"n_embd": 64, "n_head": 8, "rotary_dim": 8},
    "16 heads, deep": {"n_embd": 64, "n_head": 16, "rotary_dim": 2, "n_layer": 5},
    "narrow MLP": {"n_embd": 32, "n_head": 4, "rotary_dim": 6, "n_inner": 48},
}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def largest_difference(source: CodeGenForCausalLM, folder: Path) -> float:
    exported = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert type(exported).__name__ == "GPTJForCausalLM"
    ids = torch.randint(352, (2, 100), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return float((source(ids).logits - exported(ids).logits).abs().max())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_export_gives_the_same_logits(tmp_path: Path, shape: dict[str, Any]) -> None:
    model = new_layout(tmp_path / "source", **shape)
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 0
    assert largest_difference(model, tmp_path / "out") < 1e-4


def test_it_generates_the_same_tokens_greedily(tmp_path: Path) -> None:
    model = new_layout(tmp_path / "source")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 0
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    ids = torch.tensor([[5, 9, 42]])
    options = {"max_new_tokens": 60, "do_sample": False, "eos_token_id": -1, "pad_token_id": 0}
    assert torch.equal(model.generate(ids, **options), exported.generate(ids, **options))


def test_small_shards_make_the_same_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = new_layout(tmp_path / "source")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out", "--max-shard-gb", 0.00005) == 0
    files = sorted(file.name for file in (tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 3
    assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
    assert largest_difference(model, tmp_path / "out") < 1e-4


def test_an_old_fp16_checkpoint_stays_fp16_and_loses_its_leftovers(tmp_path: Path) -> None:
    old_layout(tmp_path / "source")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 0
    with safe_open(tmp_path / "out" / "model.safetensors", framework="pt") as file:
        assert not [name for name in file.keys() if "causal_mask" in name or "qkv" in name]  # noqa: SIM118
        assert file.get_tensor("transformer.h.0.attn.k_proj.weight").dtype == torch.float16
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["dtype"] == "float16"
    assert config["bos_token_id"] == config["eos_token_id"] == 297


def test_the_dtype_can_be_chosen(tmp_path: Path) -> None:
    new_layout(tmp_path / "source")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out", "--dtype", "bfloat16") == 0
    state = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.bfloat16}


def test_the_tokenizer_comes_along(tmp_path: Path) -> None:
    old_layout(tmp_path / "source")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    text = "if i != j:\n            return 'é'\n"
    assert tokenizer(text)["input_ids"] == open_checkpoint(str(tmp_path / "source")).tokenizer(text)["input_ids"]


def test_it_says_what_was_verified_and_how_to_serve_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_layout(tmp_path / "source")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "logits of 48 tokens" in printed.out
    assert f"vllm serve {tmp_path / 'out'} --served-model-name {tmp_path / 'source'} --dtype float32" in printed.out
    assert "On a GPU: vLLM's CPU attention has no heads of 8" in printed.out
    assert "writing" in printed.err
    assert "verifying" in printed.err


def test_the_commands_can_be_pasted_into_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "my model", tmp_path / "it's out; here"
    new_layout(source)
    assert run("--model", source, "--out", out) == 0
    serve, front = (shlex.split(line) for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert serve[:5] == ["vllm", "serve", str(out), "--served-model-name", str(source)]
    assert front[-2:] == ["--backend-model", str(source)]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_whoever_may_read_its_other_files_may_read_the_weights(tmp_path: Path, umask: int, mode: int) -> None:
    new_layout(tmp_path / "source")
    before = os.umask(umask)
    try:
        assert run("--model", tmp_path / "source", "--out", tmp_path / "out", "--max-shard-gb", 0.0001) == 0
    finally:
        os.umask(before)
    assert {file.suffix: file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()} == {
        ".safetensors": mode,
        ".json": mode,
    }


def test_every_published_model_can_be_served_by_vllm_on_a_cpu() -> None:
    assert {shape_of(size).head_dim for size in SIZES} <= set(VLLM_CPU_HEADS)


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_layout(tmp_path / "source")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 2
    assert "out: " in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--dtype", "int4"], "dtype: 'int4' is not allowed; it must be one of auto, float32"),
        (["--max-shard-gb", "0"], "max_shard_gb: 0.0 is not allowed; it must be a number above 0"),
        (["--max-shard-gb", "much"], "max_shard_gb: 'much' is not allowed"),
        (["--frobnicate"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_named_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert run("--model", tmp_path, "--out", tmp_path / "out", *arguments) == 2
    printed = capsys.readouterr().err
    assert complaint in printed
    assert "Traceback" not in printed


def test_a_model_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", tmp_path / "nowhere", "--out", tmp_path / "out") == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_layout(tmp_path / "source")
    (tmp_path / "file").write_text("")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "file" / "out") == 2
    assert "a folder that can be made (Not a directory)" in capsys.readouterr().err


def test_a_dtype_that_cannot_hold_the_weights_is_refused_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_layout(tmp_path / "source")
    state = load_file(tmp_path / "source" / "model.safetensors")
    state["transformer.h.1.mlp.fc_in.weight"][0, 0] = 1e6
    save_file(state, tmp_path / "source" / "model.safetensors")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out", "--dtype", "float16") == 2
    assert "able to hold the values of transformer.h.1.mlp.fc_in.weight" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_a_disk_without_room_is_noticed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_layout(tmp_path / "source")
    monkeypatch.setattr(convert, "free_bytes", lambda folder: 10)
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 2
    assert "10 Bytes are" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["transformer.h.1.attn.v_proj.weight", "transformer.wte.weight", "lm_head.bias", "transformer.ln_f.bias"]
)
def test_one_wrong_tensor_is_found_out(tmp_path: Path, name: str) -> None:
    new_layout(tmp_path / "source")
    assert run("--model", tmp_path / "source", "--out", tmp_path / "out") == 0
    state = load_file(tmp_path / "out" / "model.safetensors")
    state[name] = state[name].roll(1, 0)
    save_file(state, tmp_path / "out" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NotEqual):
        verify(open_checkpoint(str(tmp_path / "source")), tmp_path / "out")


def test_shards_hold_every_tensor_once_and_stay_under_their_limit(tmp_path: Path) -> None:
    new_layout(tmp_path)
    shapes = gptj_shapes(open_checkpoint(str(tmp_path)).config)
    shards = plan_shards(shapes, 4, 20_000)
    assert [name for shard in shards for name in shard] == list(shapes)
    sizes = [sum(4 * torch.Size(shapes[name]).numel() for name in shard) for shard in shards]
    assert all(size <= 20_000 or len(shard) == 1 for size, shard in zip(sizes, shards, strict=True))
