"""The recipe: our training forward is transformers' model, and a run stops, goes on and ends as its plan says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import CodeGenForCausalLM, CodeGenTokenizer

from codegen_ui.bundled.blend import blend
from codegen_ui.bundled.blend import main as blend_main
from codegen_ui.bundled.card import write_card
from codegen_ui.bundled.compression import ByteNgram
from codegen_ui.bundled.export import export_checkpoint, load_state, plot_losses, read_log
from codegen_ui.bundled.model import Shape, TrainingModel, load_codegen_state, to_codegen_state
from codegen_ui.bundled.muon import Muon, orthogonalise
from codegen_ui.bundled.plan import COPY, FIRST, Plan, batch_at, document_counts, token_weights, window_multiple
from codegen_ui.bundled.sandbox import network_namespace, run_program
from codegen_ui.bundled.store import UNIT, TokenStream, read_documents, write_documents
from codegen_ui.bundled.tokenizer import RUNS, load_tokenizer, save_tokenizer, train_tokenizer
from codegen_ui.bundled.train import Trainer, save

pytestmark = pytest.mark.usefixtures("one_thread")

TEXTS = [f"def add_{n}(x):\n    return x + {n}\n\n\nprint(add_{n}({n * 7}))\n" for n in range(60)]
TINY = {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 64}


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe") / "tokenizer"
    save_tokenizer(train_tokenizer(TEXTS, 340), folder)
    return folder


def random_model(shape: Shape) -> TrainingModel:
    torch.manual_seed(0)
    model = TrainingModel(shape)
    for parameter in model.parameters():  # much of it starts at zero, which would hide a mistake
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize(("n_head", "rotary_dim"), [(4, 8), (4, 4), (8, 2)])
def test_loss_and_logits_are_those_of_transformers(
    n_head: int, rotary_dim: int, tokenizer_folder: Path, tmp_path: Path
) -> None:
    vocab = len(load_tokenizer(tokenizer_folder))
    model = random_model(Shape(vocab, 32, 2, n_head, rotary_dim, 64))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())  # what the fp16 file can hold
    export_checkpoint(model, tokenizer_folder, tmp_path)
    theirs = CodeGenForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = torch.randint(0, vocab, (2, 33), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, atol=1e-4, rtol=1e-4)
        assert abs(model.loss(ids).item() - theirs(ids, labels=ids).loss.item()) < 1e-4


def test_a_sequence_beyond_the_context_is_refused() -> None:
    with pytest.raises(IndexError, match="the context is 8"):
        TrainingModel(Shape(10, 32, 1, 4, 4, 8))(torch.zeros(1, 9, dtype=torch.long))


@pytest.mark.parametrize("wrong", [{"n_head": 6}, {"n_embd": 34}, {"rotary_dim": 3}, {"rotary_dim": 16}])
def test_shapes_that_codegen_cannot_have_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        Shape(10, **{**TINY, **wrong})


def test_newton_schulz_brings_singular_values_near_one() -> None:
    matrices = torch.randn(3, 8, 20, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrices))
    assert 0.6 < values.min() < values.max() < 1.3


def test_muon_steps_every_matrix_alone_whatever_its_neighbours() -> None:
    def stepped(*picked: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        shapes = [(8, 8), (3, 8, 8), (16, 8), (8, 16)]
        parameters = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        Muon([parameters[index] for index in picked]).step()
        return [parameters[index].detach() for index in picked]

    together = stepped(0, 1, 2, 3)
    for index in range(4):
        torch.testing.assert_close(together[index], stepped(index)[0])


@pytest.mark.parametrize(
    "text",
    ["if i != j :\n\treturn  x", " " * 40 + "\t" * 12 + "é漢🙂 ' n't", "<|endoftext|>", "", "\r\n \n  \n", "\x00\x7f"],
)
def test_the_tokenizer_gives_back_any_text(text: str, tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_runs_of_spaces_are_single_tokens_in_codegens_order(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    ids = [tokenizer(run)["input_ids"] for run in RUNS]
    assert ids == [[len(tokenizer) - len(RUNS) + n] for n in range(len(RUNS))]
    assert tokenizer.eos_token_id == len(tokenizer) - len(RUNS) - 1
    assert (RUNS[0], RUNS[29], RUNS[30], RUNS[37]) == (" " * 31, " " * 2, "\t" * 9, "\t" * 2)


def test_older_readers_find_the_same_tokenizer_in_vocab_and_merges(tokenizer_folder: Path) -> None:
    vocab = json.loads((tokenizer_folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (tokenizer_folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    plain = CodeGenTokenizer(vocab=vocab, merges=[tuple(line.split(" ")) for line in lines])
    assert plain(TEXTS[7])["input_ids"][:4] == load_tokenizer(tokenizer_folder)(TEXTS[7])["input_ids"][:4]


def test_windows_begin_at_a_document_and_run_on_over_its_end() -> None:
    stream = TokenStream.from_documents([[1, 2], [3], [4, 5, 6]], end=0)
    draw = np.random.default_rng(0)
    windows = {tuple(stream.window(5, draw)) for _ in range(50)}
    assert windows == {(1, 2, 0, 3, 0), (3, 0, 4, 5, 6), (4, 5, 6, 0, 1)}


def test_documents_survive_being_stored(tmp_path: Path) -> None:
    texts = ["a\nb", 'é"', ""]
    assert write_documents(tmp_path / "x.jsonl", texts) == 3
    assert list(read_documents(tmp_path / "x.jsonl")) == texts


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    plan = Plan(decay=0.25, warmup_steps=10)
    assert plan.rate(0, 0.0) == pytest.approx(0.1)
    assert plan.rate(500, 0.5) == 1.0
    assert plan.rate(500, 0.875) == pytest.approx(0.5)
    assert plan.rate(500, 1.0) == 0.0


def test_batches_depend_on_seed_and_step_alone_and_hold_the_same_number_of_tokens() -> None:
    stream = TokenStream.from_documents([[n % 7] * (n + 1) for n in range(20)], end=9)
    plan = Plan(batch=4, length=8)
    assert {window_multiple(step) for step in range(12)} == {1, 2, 4}
    for step in range(12):
        ids, weights = batch_at(step, plan, stream, stream)
        assert all(map(torch.equal, (ids, weights), batch_at(step, plan, stream, stream)))
        assert ids.shape == weights.shape
        assert ids[:, 1:].numel() == 32


def work_folder(tokenizer_folder: Path) -> Path:
    work = tokenizer_folder.parent
    for name in ("textbook", "real"):
        write_documents(work / f"{name}.train.jsonl", TEXTS[:50])
        write_documents(work / f"{name}.heldout.jsonl", TEXTS[50:])
    return work


def test_a_run_learns_keeps_its_states_and_goes_on_from_them(tokenizer_folder: Path) -> None:
    work = work_folder(tokenizer_folder)
    shape = Shape(len(load_tokenizer(tokenizer_folder)), **{**TINY, "n_positions": 512})
    plan = Plan(steps=30, batch=4, length=16, save_every=1000, warmup_steps=2, held_out_windows=2)
    first = Trainer(work, work / "a", plan, shape)
    first.train(compiled=False)
    rows = read_log(work / "a" / "log.jsonl")
    assert rows[-1]["loss"] < rows[0]["loss"] - 1
    assert {path.name for path in (work / "a").iterdir()} >= {"last.pt", "best.pt", "stable.pt", "log.jsonl"}

    again = Trainer(work, work / "a", plan, shape)
    again.restore(work / "a" / "last.pt", as_new_run=False)
    assert (again.step, again.tokens, again.used) == (first.step, first.tokens, first.used)
    for ours, theirs in zip(again.model.parameters(), first.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)

    longer = Trainer(work, work / "b", plan, shape)
    longer.restore(work / "a" / "stable.pt", as_new_run=True)
    assert longer.used == 0
    assert longer.earlier_hours > 0

    size = export_checkpoint(load_state(work / "a" / "best.pt"), tokenizer_folder, work / "out")
    assert size < 500_000
    pytest.importorskip("matplotlib", reason="only the recipe's plot needs it")
    plot_losses(rows, work / "out" / "loss.png")
    assert (work / "out" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_another_shape_does_not_take_up_a_run(tokenizer_folder: Path, tmp_path: Path) -> None:
    work = work_folder(tokenizer_folder)
    shape = Shape(400, **TINY)
    trainer = Trainer(work, tmp_path, Plan(), shape)
    torch.save(trainer.state(), tmp_path / "last.pt")
    other = Trainer(work, tmp_path, Plan(), Shape(400, **{**TINY, "n_layer": 1}))
    with pytest.raises(ValueError, match="another shape"):
        other.restore(tmp_path / "last.pt", as_new_run=False)


def test_weights_that_fp16_cannot_hold_are_not_exported(tokenizer_folder: Path, tmp_path: Path) -> None:
    model = TrainingModel(Shape(400, **TINY))
    with torch.no_grad():
        model.ln_f.bias[0] = 1e6
    with pytest.raises(OverflowError, match=r"transformer\.ln_f\.bias"):
        export_checkpoint(model, tokenizer_folder, tmp_path)


def test_ngram_probabilities_sum_to_one_and_favour_what_was_seen() -> None:
    model = ByteNgram(order=4)
    model.train([b"abcabcabd"])
    for context in (b"", b"ab", b"abc", b"zzz"):
        assert sum(model.probability(context, byte) for byte in range(256)) == pytest.approx(1.0)
    assert model.probability(b"ab", ord("c")) > model.probability(b"ab", ord("d")) > model.probability(b"ab", ord("x"))
    assert model.bits(b"abcabc") < 48 / 4


def test_a_model_takes_over_a_checkpoint_and_grows_without_changing_what_it_computes() -> None:
    small = random_model(Shape(50, **TINY))
    state = to_codegen_state(small)
    ids = torch.randint(0, 50, (2, 20), generator=torch.Generator().manual_seed(1))
    for layers in (2, 3, 5):
        grown = TrainingModel(Shape(50, **{**TINY, "n_layer": layers}))
        load_codegen_state(grown, state)
        torch.testing.assert_close(grown(ids), small(ids))
    with pytest.raises(ValueError, match="2 layers do not fit into 1"):
        load_codegen_state(TrainingModel(Shape(50, **{**TINY, "n_layer": 1})), state)
    with pytest.raises(ValueError, match="an embedding of"):
        load_codegen_state(TrainingModel(Shape(51, **TINY)), state)


def test_a_blend_lies_between_the_runs_weights_and_the_earlier_ones() -> None:
    first, second = (random_model(Shape(50, **TINY)) for _ in range(2))
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.mul_(3.0)
    earlier = to_codegen_state(first)
    blend(second, earlier, 0.5)
    for name, tensor in to_codegen_state(second).items():
        torch.testing.assert_close(tensor, 2 * earlier[name])
    with pytest.raises(ValueError, match="from 0 to 1"):
        blend(second, earlier, 1.5)
    with pytest.raises(ValueError, match="another shape"):
        blend(random_model(Shape(51, **TINY)), earlier, 0.5)


def test_a_run_goes_on_from_a_blend_or_is_exported_as_one(tokenizer_folder: Path, tmp_path: Path) -> None:
    work = work_folder(tokenizer_folder)
    shape = Shape(len(load_tokenizer(tokenizer_folder)), **{**TINY, "n_positions": 512})
    trainer = Trainer(work, work / "c", Plan(), shape)
    save(work / "c" / "last.pt", trainer.state())
    export_checkpoint(random_model(shape), tokenizer_folder, tmp_path / "earlier")
    command = ["--work", str(work), "--run", "c", "--checkpoint", str(tmp_path / "earlier"), "--share", "0"]
    blend_main([*command, "--out", str(tmp_path / "out")])
    weights = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert weights == (tmp_path / "earlier" / "model.safetensors").read_bytes()
    blend_main(command)
    trainer.restore(work / "c" / "last.pt", as_new_run=False)
    theirs = load_file(tmp_path / "earlier" / "model.safetensors")
    torch.testing.assert_close(to_codegen_state(trainer.model)["lm_head.bias"], theirs["lm_head.bias"].float())


def test_rare_names_count_little_where_they_come_first_and_more_where_they_are_copied() -> None:
    text = "def f(zorp): return zorp + once"
    spans = [(0, 3), (3, 5), (5, 6), (6, 8), (8, 10), (12, 19), (19, 24), (24, 26), (26, 31)]
    weights = token_weights(text, spans, {"def", "return", "f"})
    assert weights == [UNIT, UNIT, UNIT, FIRST, FIRST, UNIT, COPY, UNIT, UNIT]
    assert document_counts(["a a b", "a"]) == {"a": 2, "b": 1}


def test_weights_scale_what_each_token_adds_to_the_loss() -> None:
    model = random_model(Shape(50, **TINY))
    ids = torch.randint(0, 50, (1, 9), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(model.loss(ids, torch.full(ids.shape, 0.3)), model.loss(ids))
    only_last = torch.zeros(ids.shape)
    only_last[0, -1] = 2.0
    expected = torch.nn.functional.cross_entropy(model(ids[:, :-1])[0, -1:], ids[0, -1:])
    assert torch.allclose(model.loss(ids, only_last), expected)


@pytest.fixture(scope="module")
def prefix() -> list[str]:
    return network_namespace()


@pytest.mark.parametrize(
    ("source", "passes"),
    [
        ("assert 1 + 1 == 2", True),
        ("assert 1 + 1 == 3", False),
        ("x = bytearray(4 << 30)", False),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", False),
        ("import socket; socket.socket()", False),
        ("import os; os.system('true')", False),
        ("import subprocess; subprocess.run(['true'])", False),
        ("import os; os.kill(os.getppid(), 0)", False),
        ("import os; assert not os.listdir('.')", True),
        ("import os; assert 'PATH' not in os.environ and 'USER' not in os.environ", True),
        ("open('/dev/full', 'w').write('x' * 9999)", False),
        ("raise SystemExit(3)", False),
    ],
)
def test_programs_run_within_their_limits(source: str, passes: bool, prefix: list[str]) -> None:
    assert run_program(source, prefix=prefix, seconds=3).passed is passes


def test_a_program_without_end_is_ended(prefix: list[str]) -> None:
    assert not run_program("while True: pass", prefix=prefix, seconds=1).passed


def test_numpy_works_in_the_sandbox_when_it_is_imported_first(prefix: list[str]) -> None:
    source = "import numpy as np\nassert np.ones(3).sum() == 3"
    outcome = run_program(source, prefix=prefix, seconds=20, imports="import numpy")
    assert outcome.passed, outcome.reason


def test_the_card_tells_what_was_measured_and_where_the_text_came_from() -> None:
    config = {"n_layer": 2, "n_embd": 32, "n_head": 4, "rotary_dim": 4, "n_positions": 64, "vocab_size": 340}
    package = {"name": "some", "version": "1.0", "licence": "MIT\nmore", "characters": 1234, "held_out": True}
    corpus = {"packages": [package], "textbook": {"documents": 5, "characters": 6000}}
    row = {"step": 9, "tokens": 2e6, "used": 1800, "hours_before": 1.0, "heldout_textbook": 0.5, "heldout_real": 2.0}
    plan = {"length": 512, "muon_lr": 0.02, "adam_lr": 0.004, "decay": 0.3, "textbook_share": 0.8, "bf16": True}
    text = write_card(config, corpus, [row], plan, {"pass_at_1": 0.42, "bits_per_byte": 1.234})
    assert "| pass@1, suite | 42% |\n| bits per byte, both parts | 1.23 |" in text
    assert "| some | 1.0 | MIT | 1,234 | held out |" in text
    assert "1.5 hours" in text
    assert "matmuls in bf16" in text
    model = TrainingModel(Shape(340, **TINY))
    assert f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} million parameters" in text
