"""Who is compared, our engine, transformers' `generate` and CTranslate2, all on the same prompts and the same weights.

The model is any checkpoint, or random weights in the 350M shape, which cost the same time.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import codegen_ui
from codegen_ui.bench.report import say
from codegen_ui.bundled import CHECKPOINT_DIR
from codegen_ui.checkpoints import open_checkpoint
from codegen_ui.engine.decoders import Decoder
from codegen_ui.engine.host import LocalEngine
from codegen_ui.engine.model.config import shape_of
from codegen_ui.loading import check_options, load_model
from codegen_ui.request import GenerationRequest

RANDOM = "random"
DECODABLE, END_OF_TEXT = 50295, 50256


@dataclass(frozen=True)
class BenchModel:
    """A checkpoint that every contender can open: a folder, or a name for `codegen_ui.load`."""

    name: str
    folder: str


def bench_model(name: str) -> BenchModel:
    """`random` is the 350M shape, `random-2B` the 2B one, and so on; else a hub id, a folder or `bundled`."""
    if name == RANDOM or name.startswith(f"{RANDOM}-"):
        shape = name.partition("-")[2] or "350M"
        return BenchModel(f"random weights, {shape} shape", str(random_checkpoint(shape)))
    if name == "bundled":
        return BenchModel(name, str(CHECKPOINT_DIR))
    return BenchModel(name, name)


def random_checkpoint(shape: str) -> Path:
    """A folder with random fp16 weights (seed 0) and a tokenizer of single bytes; made once, kept among temp files."""
    folder = Path(tempfile.gettempdir()) / "codegen-ui-bench" / shape
    done = folder / "complete"
    if not done.exists():
        say(f"writing a random checkpoint to {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        write_tokenizer(folder)
        write_weights(folder, shape)
        done.touch()
    return folder


def write_weights(folder: Path, shape: str) -> None:
    import torch
    from transformers import CodeGenConfig, CodeGenForCausalLM

    torch.manual_seed(0)
    config = CodeGenConfig(bos_token_id=1, tie_word_embeddings=False, **asdict(shape_of(shape)))
    CodeGenForCausalLM(config).half().save_pretrained(folder)


def write_tokenizer(folder: Path) -> None:
    """Bytes are tokens, the other ids are made-up words, so that any text can go in and any id comes out as text."""
    from tokenizers.pre_tokenizers import ByteLevel

    words = {character: index for index, character in enumerate(sorted(ByteLevel.alphabet()))}
    words |= {f"Ġw{index}": index for index in range(len(words), DECODABLE)}
    del words[f"Ġw{END_OF_TEXT}"]
    words["<|endoftext|>"] = END_OF_TEXT
    (folder / "vocab.json").write_text(json.dumps(words), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    names = {key: "<|endoftext|>" for key in ("unk_token", "bos_token", "eos_token")}
    config = {"tokenizer_class": "CodeGenTokenizer", "add_prefix_space": False, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")


def random_prompts(count: int, length: int, *, ids: int, seed: int = 0) -> list[tuple[int, ...]]:
    source = random.Random(seed)
    return [tuple(source.randrange(ids) for _ in range(length)) for _ in range(count)]


def load(model: BenchModel, **options: Any) -> LocalEngine:
    """Our engine, without lookup and prefix cache unless they are asked for."""
    engine = codegen_ui.load(model.folder, **({"lookup": False, "prefix_cache_mb": 0} | options))
    assert isinstance(engine, LocalEngine)
    return engine


def load_weights(model: BenchModel, quantize: str) -> Decoder:
    """The model without an engine, to time its steps."""
    plan = check_options({"quantize": quantize})
    checkpoint = open_checkpoint(model.folder)
    try:
        return load_model(checkpoint, plan, plan.progress)
    finally:
        checkpoint.weights.close()


def greedy(prompt: str | tuple[int, ...], new_tokens: int) -> GenerationRequest:
    return GenerationRequest(prompt, max_new_tokens=new_tokens, temperature=0, stop_at="length")


class Ours:
    """Streams join and leave by continuous batching, as visitors do."""

    def __init__(self, engine: LocalEngine, prompt_tokens: int) -> None:
        self._engine = engine
        self._prompt = prompt_tokens

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        ids = min(256, self._engine.info.vocabulary or 256)
        prompts = random_prompts(streams, prompt_tokens or self._prompt, ids=ids)
        requests = [greedy(prompt, new_tokens) for prompt in prompts]
        begin = time.perf_counter()
        running = [self._engine.submit(request) for request in requests]
        tokens = sum(len(one.result().token_ids) for one in running)
        return checked(time.perf_counter() - begin, tokens, streams * new_tokens)

    def weights_bytes(self) -> int:
        return self._engine.info.weights_bytes or 0


def make_ours(model: BenchModel, prompt_tokens: int, **options: Any) -> Ours:
    """Our engine as a contender, from loading on."""
    return Ours(load(model, **options), prompt_tokens)


class Generate:
    """transformers, a static batch. `cache="static"` lets `generate` compile its steps, as it does on a GPU."""

    def __init__(
        self,
        model: BenchModel,
        prompt_tokens: int,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        cache: str | None = None,
    ) -> None:
        import torch
        from transformers import CodeGenForCausalLM

        found = CodeGenForCausalLM.from_pretrained(model.folder, dtype=getattr(torch, dtype))
        self._model = found.eval().to(device)
        self._cache = {} if cache is None else {"cache_implementation": cache}
        self._prompt = prompt_tokens

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        import torch

        prompts = torch.tensor(
            random_prompts(streams, prompt_tokens or self._prompt, ids=256), device=self._model.device
        )
        begin = time.perf_counter()
        output = self._model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            max_new_tokens=new_tokens,
            eos_token_id=None,
            pad_token_id=0,
            **self._cache,
        ).cpu()  # which waits for the last token
        seconds = time.perf_counter() - begin
        return checked(seconds, output[:, prompts.shape[1] :].numel(), streams * new_tokens)


class CTranslate2:
    """CTranslate2 with float32 or int8 weights, a static batch, as many threads as PyTorch."""

    def __init__(self, model: BenchModel, compute_type: str, prompt_tokens: int) -> None:
        import ctranslate2
        import torch
        from transformers import AutoTokenizer

        folder = converted(model)
        threads = torch.get_num_threads()
        self._generator = ctranslate2.Generator(
            str(folder), device="cpu", compute_type=compute_type, inter_threads=1, intra_threads=threads
        )
        self._tokenizer = AutoTokenizer.from_pretrained(model.folder, local_files_only=True)
        self._prompt = prompt_tokens

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        prompts = random_prompts(streams, prompt_tokens or self._prompt, ids=256)
        words = [self._tokenizer.convert_ids_to_tokens(prompt) for prompt in prompts]
        begin = time.perf_counter()
        results = self._generator.generate_batch(
            words,
            max_length=new_tokens,
            min_length=new_tokens,
            sampling_topk=1,
            include_prompt_in_result=False,
            max_batch_size=0,
        )
        seconds = time.perf_counter() - begin
        return checked(seconds, sum(len(result.sequences_ids[0]) for result in results), streams * new_tokens)


def checked(seconds: float, tokens: int, expected: int) -> float:
    """The seconds, if all tokens were made. Raises `RuntimeError` otherwise."""
    if tokens != expected:
        raise RuntimeError(f"{tokens} tokens were generated instead of {expected}: the comparison would be unfair")
    return seconds


def converted(model: BenchModel) -> Path:
    """The checkpoint in CTranslate2's format, beside the random one or next to a folder's own files; made once."""
    from ctranslate2.converters import TransformersConverter

    folder = Path(f"{model.folder.rstrip('/')}-ctranslate2")
    if not (folder / "model.bin").exists():
        say(f"converting to CTranslate2's format in {folder}")
        TransformersConverter(model.folder).convert(str(folder), force=True)
    return folder
