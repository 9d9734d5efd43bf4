"""Checkpoints in folders: every layout opens, every kind of damage is one clear sentence."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_checkpoints import new_layout, old_layout, random_model, write_config
from transformers import AutoConfig, CodeGenConfig, CodeGenForCausalLM

from codegen_ui.checkpoints import BUNDLED, checkpoint, open_checkpoint
from codegen_ui.engine.model.config import (
    SIZES,
    ModelConfig,
    parameter_count,
    parameter_shapes,
    required_bytes,
    shape_of,
    weights_bytes,
)
from codegen_ui.errors import ModelUnavailable


def same_weights(folder: Path, model: CodeGenForCausalLM, dtype: torch.dtype) -> bool:
    weights = open_checkpoint(str(folder)).weights
    state = model.state_dict()
    return set(weights) == set(state) and all(torch.equal(weights[name], state[name].to(dtype)) for name in weights)


def reason(folder: Path) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        open_checkpoint(str(folder))
    assert not caught.value.offline
    assert "\n" not in caught.value.reason
    return caught.value.reason


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_bin_files_in_the_old_layout_open_without_their_causal_masks(tmp_path: Path, zipped: bool) -> None:
    model = old_layout(tmp_path, zipped=zipped)
    assert same_weights(tmp_path, model, torch.float16)


def test_bin_files_in_shards_open(tmp_path: Path) -> None:
    model = old_layout(tmp_path)
    state = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    (tmp_path / "pytorch_model.bin").unlink()
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, held in parts.items():
        torch.save({name: state[name] for name in held}, tmp_path / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert same_weights(tmp_path, model, torch.float16)


@pytest.mark.parametrize("size", ["5GB", "40kB"], ids=["whole", "shards"])
def test_safetensors_open(tmp_path: Path, size: str) -> None:
    model = new_layout(tmp_path, max_shard_size=size)
    assert same_weights(tmp_path, model, torch.float32)


def test_safetensors_win_over_bin(tmp_path: Path) -> None:
    old_layout(tmp_path, seed=1)
    model = random_model(seed=2)
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, tmp_path / "model.safetensors"
    )
    assert same_weights(tmp_path, model, torch.float32)


def test_a_lookup_reads_one_tensor_and_keeps_nothing_open_after_close(tmp_path: Path) -> None:
    new_layout(tmp_path)
    opened = open_checkpoint(str(tmp_path))
    assert len(opened.weights) == len(parameter_shapes(opened.config))
    opened.weights.close()
    with pytest.raises(AttributeError):
        opened.weights["lm_head.bias"]


def test_the_tokenizer_knows_runs_of_spaces_and_decodes_exactly(tmp_path: Path) -> None:
    old_layout(tmp_path)
    tokenizer = open_checkpoint(str(tmp_path)).tokenizer
    text = "if i != j :\n        n't  =\t\t'é'\n"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.convert_tokens_to_ids(" " * 8) in ids


def test_both_tokenizer_layouts_give_the_same_tokens(tmp_path: Path) -> None:
    old_layout(tmp_path / "old")
    new_layout(tmp_path / "new")
    text = "def foo(bar):\n            return bar\n"
    old, new = (open_checkpoint(str(tmp_path / name)).tokenizer(text)["input_ids"] for name in ("old", "new"))
    assert old == new


def test_the_end_of_text_is_the_tokenizers_where_the_configuration_is_wrong(tmp_path: Path) -> None:
    old_layout(tmp_path)  # whose config says 50256 in a vocabulary of 352, and bos 1
    opened = open_checkpoint(str(tmp_path))
    assert opened.config.eos_token_id == opened.tokenizer.convert_tokens_to_ids("<|endoftext|>")


def test_a_folder_that_does_not_exist_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "there is no such folder" in reason(tmp_path / "nowhere")


def test_a_single_word_is_taken_for_a_folder_and_not_asked_of_the_hub() -> None:
    with pytest.raises(ModelUnavailable, match="there is no such folder"):
        open_checkpoint("codegen")


def test_a_file_instead_of_a_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "this is a file; give the folder" in reason(tmp_path / "model.safetensors")


def test_a_folder_without_a_configuration_is_no_checkpoint(tmp_path: Path) -> None:
    assert "is no checkpoint: it has no config.json" in reason(tmp_path)


def test_another_architecture_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert "no CodeGen checkpoint, its config.json describes 'llama'" in reason(tmp_path)


@pytest.mark.parametrize("text", ['{"model_type": "codegen"', "[1]", '{"model_type": "codegen"}'])
def test_a_damaged_configuration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert "config.json" in reason(tmp_path)


def test_a_configuration_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    model = old_layout(tmp_path)
    write_config(tmp_path, model, n_head=6)
    assert "n_head is 6; CodeGen's qkv layout needs a multiple of 4" in reason(tmp_path)


@pytest.mark.parametrize("keep", [20, 4000, 100_000])
def test_truncated_safetensors_are_named(tmp_path: Path, keep: int) -> None:
    new_layout(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    assert "model.safetensors is truncated or damaged" in reason(tmp_path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("keep", [0, 20, 50_000])
def test_truncated_bin_files_are_named(tmp_path: Path, keep: int, zipped: bool) -> None:
    old_layout(tmp_path, zipped=zipped)
    file = tmp_path / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:keep])
    assert "pytorch_model.bin" in reason(tmp_path)


def test_a_bin_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    old_layout(tmp_path)
    witness = tmp_path / "was here"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (witness,))

    torch.save({"transformer.wte.weight": Trap()}, tmp_path / "pytorch_model.bin", pickle_module=pickle)
    assert "holds more than tensors and would run code" in reason(tmp_path)
    assert not witness.exists()


def test_a_git_lfs_pointer_is_recognised(tmp_path: Path) -> None:
    new_layout(tmp_path)
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "git lfs pull" in reason(tmp_path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    new_layout(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "neither model.safetensors nor pytorch_model.bin" in reason(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    new_layout(tmp_path, max_shard_size="40kB")
    lost = sorted(tmp_path.glob("model-00002-*"))[0]
    lost.unlink()
    assert f"{lost.name}, which model.safetensors.index.json names, is missing" in reason(tmp_path)


def test_an_index_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    new_layout(tmp_path, max_shard_size="40kB")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    assert "names a file outside its folder" in reason(tmp_path)


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    model = new_layout(tmp_path)
    state = {k: v.contiguous() for k, v in model.state_dict().items() if ".h.1.mlp." not in k}
    save_file(state, tmp_path / "model.safetensors")
    assert "the weights lack transformer.h.1.mlp.fc_in.weight and 3 more tensors" in reason(tmp_path)


def test_tensors_of_another_shape_are_named(tmp_path: Path) -> None:
    model = new_layout(tmp_path)
    write_config(tmp_path, model, n_inner=64)
    assert "transformer.h.0.mlp.fc_in.weight has the shape [128, 32], config.json calls for [64, 32]" in reason(
        tmp_path
    )


@pytest.mark.parametrize("lost", ["vocab.json", "merges.txt"])
def test_a_missing_tokenizer_is_named(tmp_path: Path, lost: str) -> None:
    old_layout(tmp_path)
    (tmp_path / lost).unlink()
    assert "has no tokenizer (tokenizer.json, or vocab.json with merges.txt)" in reason(tmp_path)


@pytest.mark.parametrize("text", ["{", "{}", '{"model": 3}'])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, text: str) -> None:
    new_layout(tmp_path)
    (tmp_path / "tokenizer.json").write_text(text)
    assert "the tokenizer" in reason(tmp_path)


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path: Path) -> None:
    new_layout(tmp_path, vocab_size=320)
    assert "the tokenizer has 336 tokens, the model only 320" in reason(tmp_path)


def test_the_tokenizer_is_codegens_and_never_remote_code(tmp_path: Path) -> None:
    old_layout(tmp_path)
    witness = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(witness)!r}, 'w')\nclass Evil: pass\n")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["auto_map"] = {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert type(open_checkpoint(str(tmp_path)).tokenizer).__name__ == "CodeGenTokenizer"
    assert not witness.exists()


def test_what_does_not_fit_is_turned_down_before_the_weights_are_opened(tmp_path: Path) -> None:
    old_layout(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never looked at")

    def too_large(config: ModelConfig) -> None:
        raise ModelUnavailable("it", f"{config.n_layer} layers are too many.")

    with pytest.raises(ModelUnavailable, match="2 layers are too many"):
        open_checkpoint(str(tmp_path), admit=too_large)


def test_bundled_means_the_folder_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_layout(tmp_path)
    monkeypatch.setattr(checkpoint, "BUNDLED_FOLDER", tmp_path)
    assert open_checkpoint(BUNDLED).folder == tmp_path
    monkeypatch.setattr(checkpoint, "BUNDLED_FOLDER", tmp_path / "gone")
    with pytest.raises(ModelUnavailable, match="this installation lacks the bundled checkpoint"):
        open_checkpoint(BUNDLED)


@pytest.mark.parametrize("size", SIZES)
def test_the_published_shapes_have_the_tensors_that_transformers_gives_them(size: str) -> None:
    config = shape_of(size)
    theirs = CodeGenConfig(
        **{name: getattr(config, name) for name in ("vocab_size", "n_positions", "n_embd", "n_layer")}
    )
    theirs.n_head, theirs.rotary_dim, theirs.tie_word_embeddings = config.n_head, config.rotary_dim, False
    with torch.device("meta"):
        reference = CodeGenForCausalLM(theirs)
    assert {name: tuple(tensor.shape) for name, tensor in reference.state_dict().items()} == parameter_shapes(config)
    assert parameter_count(config) == sum(p.numel() for p in reference.parameters())


def test_the_published_sizes_are_of_known_weight() -> None:
    fp16 = {size: weights_bytes(shape_of(size), "float16") / 2**30 for size in SIZES}
    assert list(fp16) == ["350M", "2B", "6B", "16B"]
    assert fp16["350M"] == pytest.approx(0.66, abs=0.01)
    assert fp16["16B"] == pytest.approx(29.9, abs=0.1)


def test_int8_needs_less_than_half_the_memory_of_float32() -> None:
    config = shape_of("16B")
    assert required_bytes(config, "float32", quantize="int8") < 0.5 * required_bytes(config, "float32")


def test_configurations_survive_a_round_trip_through_transformers(tmp_path: Path) -> None:
    model = random_model(n_inner=96)
    model.config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    config = ModelConfig.from_json(json.loads((tmp_path / "config.json").read_text()))
    assert (config.n_inner, config.n_head, config.rotary_dim) == (again.n_inner, again.n_head, again.rotary_dim)


def test_opening_by_name_imports_neither_torch_nor_transformers_beforehand() -> None:
    code = "import sys, codegen_ui.checkpoints, codegen_ui.checkpoints.hub, codegen_ui.loading\n"
    code += "print([name for name in ('torch', 'transformers', 'huggingface_hub') if name in sys.modules])"
    root = Path(__file__).parent.parent
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
