"""`python -m codegen_ui.bench COMMAND [options]`."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from codegen_ui.bench.report import GOALS, Report
from codegen_ui.engine.threads import wait_briefly

COMMANDS = {
    "engine": "our engine alone, by number of streams",
    "peers": "our engine, transformers' generate, CTranslate2 and OpenVINO in turn (needs bench/requirements.txt)",
    "gpu": "our engine on a GPU, eager and with CUDA graphs, beside transformers' generate, in fp16",
    "prefix": "kept prefixes, and how little streams that come and go disturb the others",
    "lookup": "prompt-lookup drafts on the saved examples",
    "invariance": "whether completions are the same whoever else is served: 64 visitors for a minute",
    "exactness": "how far int8, bfloat16 and float16 are from float32, and each from itself in company",
    "serving": "tokens a second through the page, 1 and 8 visitors",
    "page": "first paint, usable, a click answered: in a browser, beside another checkout (needs playwright)",
    "startup": "from the command to the page and to the model",
    "post": "the blog post's four prompts, beside its own figures",
    "scaling": "context length, streams and model size: a table and a plot (needs matplotlib)",
}
ROOT = Path(__file__).parent.parent.parent


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m codegen_ui.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--model",
            default="bundled" if name == "invariance" else "random",
            help="checkpoint, or random, random-2B: random weights (default: %(default)s)",
        )
        both = name in ("engine", "scaling", "invariance")
        command.add_argument(
            "--quantize",
            nargs="+",
            choices=("none", "int8", "auto"),
            default=["none", "int8"] if both else ["int8"],
            help=f"weights (default: {'none int8' if both else 'int8'})",
        )
        command.add_argument("--prompt", type=int, default=64, help="prompt tokens (default: 64)")
        command.add_argument("--new", type=int, default=64, help="new tokens (default: 64)")
        command.add_argument("--rounds", type=int, default=5, help="rounds to take medians of (default: 5)")
        if name == "exactness":
            command.set_defaults(model="bundled")
            kinds = ["float32", "int8", "bfloat16", "float16"]
            command.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help="(default: all)")
            command.add_argument("--prompts", type=int, default=100, help="to complete (default: 100)")
            command.add_argument("--texts", type=int, default=200, help="to score (default: 200)")
        if name == "post":
            command.set_defaults(model="bundled", quantize=["auto"])
            command.add_argument(
                "--as-the-post-did", action="store_true", help="to 1000 tokens or the model's end, not the function's"
            )
            command.add_argument("--csv", type=Path, help="also write the table to this file")
            command.add_argument("--svg", type=Path, help="also draw the chart into this file")
        if name == "prefix":
            command.add_argument("--shared", type=int, default=300, help="tokens of the repeated prompt (default: 300)")
            command.add_argument("--ending", type=int, default=512, help="tokens of a stream that ends (default: 512)")
            command.add_argument("--joining", type=int, default=1500, help="tokens that join (default: 1500)")
        if name == "peers":
            command.add_argument(
                "--openvino",
                metavar="PYTHON",
                help="with requirements-openvino.txt (default: left out)",
            )
            command.add_argument("--only", nargs="+", metavar="NAME", help="contenders by their names (default: all)")
        if name == "gpu":
            command.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 64], help="(default: 1 8 32 64)")
            command.add_argument("--only", nargs="+", metavar="NAME", help="contenders by their names (default: all)")
            command.add_argument(
                "--bandwidth", type=float, metavar="GB_S", help="of the GPU's memory (default: that of a large copy)"
            )
        if name == "lookup":
            command.add_argument("--writer", default="bundled", help="who writes the completions (default: bundled)")
            command.add_argument("--examples", type=Path, default=ROOT / "examples", help="folder of saved examples")
        if name == "invariance":
            command.add_argument("--visitors", type=int, default=64, help="at the same time (default: 64)")
            command.add_argument("--seconds", type=float, default=60, help="that they stay (default: 60)")
            command.add_argument("--requests", type=int, default=200, help="different ones (default: 200)")
        if name == "serving":
            command.add_argument("--served", type=int, default=256, help="new tokens of each visitor (default: 256)")
            command.add_argument("--visitors", type=int, nargs="+", default=[1, 8], help="(default: 1 8)")
        if name == "page":
            command.set_defaults(model="bundled")
            command.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout (default: none)")
        if name == "scaling":
            command.add_argument(
                "--models",
                nargs="+",
                default=["random", "random-2B=int8"],
                help="models to compare, NAME or NAME=WEIGHTS (default: random random-2B=int8)",
            )
            command.add_argument("--plot", type=Path, default=ROOT / "examples" / "screenshots" / "scaling.png")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    wait_briefly()
    report = Report(options.command)
    report.start()
    importlib.import_module(f"codegen_ui.bench.{options.command}").run(options, report)
    report.finish(GOALS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
