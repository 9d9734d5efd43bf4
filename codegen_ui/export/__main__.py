"""Command line of the export: `python -m codegen_ui.export --model M --out DIR`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

from codegen_ui.checkpoints import open_checkpoint
from codegen_ui.engine.model.config import BYTES_PER_VALUE, ModelConfig
from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.export.convert import MAX_SHARD_BYTES, check_folder, stored_dtype, write_gptj
from codegen_ui.export.verify import verify
from codegen_ui.kinds import Number

VLLM_CPU_HEADS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""Head sizes of vLLM 0.32's attention on CPUs; every published CodeGen has one of them."""
DTYPES = ("auto", *BYTES_PER_VALUE)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are `InvalidInput`, like everybody else's."""

    def error(self, message: str) -> NoReturn:
        raise InvalidInput("command line", message, "as shown by --help")


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m codegen_ui.export",
        description="Write a CodeGen model as GPT-J, for servers that have GPT-J and no CodeGen, such as vLLM.",
        allow_abbrev=False,
    )
    parser.add_argument("--model", required=True, metavar="NAME", help="a hub id, a local folder, or 'bundled'")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write; must be empty or not exist")
    parser.add_argument("--revision", help="branch, tag or commit of the hub repository (default: main)")
    parser.add_argument("--dtype", default="auto", help=f"{', '.join(DTYPES)}; auto keeps the checkpoint's")
    parser.add_argument(
        "--max-shard-gb",
        default=str(MAX_SHARD_BYTES / 1e9),
        metavar="GB",
        help="size of the largest file, which is also about what the export takes of memory (default: %(default)s)",
    )
    return parser


class Bars:
    """One tqdm bar a stage on the terminal's error stream."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage:
            self.close()
            self._stage = stage
            if not total:
                print(f"{stage} ...", file=sys.stderr)
        if total and self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=stage, unit="layer" if stage == "verifying" else "B", unit_scale=True)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def export(model: str, out: Path, *, revision: str | None, dtype: str, max_shard_gb: float, bars: Bars) -> str:
    """Open, convert, verify. Returns what to tell the operator. Raises a `PlaygroundError`."""
    if dtype not in DTYPES:
        raise InvalidInput("dtype", dtype, f"one of {', '.join(DTYPES)}")
    max_shard_bytes = int(Number(0, 1000, open_low=True).check("max_shard_gb", max_shard_gb) * 1e9)
    check_folder(out)
    checkpoint = open_checkpoint(model, revision=revision, progress=bars)
    if dtype == "auto":
        dtype = stored_dtype(checkpoint)
    write_gptj(
        checkpoint,
        out,
        dtype=dtype,
        max_shard_bytes=max_shard_bytes,
        progress=lambda done, total: bars("writing", done, total),
    )
    verified = verify(checkpoint, out, lambda done, total: bars("verifying", done, total))
    bars.close()
    return (
        f"Wrote {model} as GPT-J ({dtype}) to {out}.\n"
        f"Verified from its files: GPT-J's tensor names and shapes, the embedding bit for bit, the tokenizer, and the "
        f"logits of {verified.tokens} tokens\nthrough all {verified.layers} layers in float32: "
        f"largest difference from CodeGen's {verified.largest_difference:g}.\n"
        f"{serving(model, out, dtype, checkpoint.config)}"
    )


def serving(model: str, out: Path, dtype: str, config: ModelConfig) -> str:
    """The commands that serve the export with vLLM and put this playground in front."""
    note = ""
    if config.head_dim not in VLLM_CPU_HEADS:
        note = f"(On a GPU: vLLM's CPU attention has no heads of {config.head_dim}, as this model's are.)\n"
    return (
        f"To serve it:\n{note}"
        f"  vllm serve {quote(str(out))} --served-model-name {quote(model)} --dtype {dtype} "
        f"--max-model-len {config.n_positions}\n"
        "and this playground in front of it:\n"
        f"  python app.py --backend-url http://localhost:8000/v1 --backend-model {quote(model)}"
    )


def main(argv: Sequence[str]) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    bars = Bars()
    try:
        given = build_parser().parse_args(argv)
        try:
            gigabytes = float(given.max_shard_gb)
        except ValueError:
            raise InvalidInput("max_shard_gb", given.max_shard_gb, "a number above 0 to 1000") from None
        options = {"revision": given.revision, "dtype": given.dtype, "max_shard_gb": gigabytes}
        print(export(given.model, Path(given.out), bars=bars, **options))
    except PlaygroundError as error:
        bars.close()
        print(f"export: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        bars.close()
        print(f"export: {given.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        bars.close()
        print("export: stopped; what was written has been removed.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
