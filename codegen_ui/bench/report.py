"""What a benchmark prints: tables for people, then one JSON object for programs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

PACKAGES = ("torch", "transformers", "gradio", "ctranslate2")


@dataclass
class Report:
    """Collects a command's results; `finish` prints the last line.

    Attributes:
        ratios: the named figures that goals are set for.
        figures: everything else, with units in the names.
    """

    command: str
    ratios: dict[str, float] = field(default_factory=dict)
    figures: dict[str, object] = field(default_factory=dict)

    def start(self) -> None:
        print(f"codegen_ui.bench {self.command}")
        print(f"machine: {machine()}")
        print("versions: " + ", ".join(f"{name} {version}" for name, version in versions().items()), flush=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        print(f"\n{title}\n{markdown(header, rows)}", flush=True)

    def finish(self, goals: dict[str, str] | None = None) -> None:
        """Print the ratios beside their goals, then everything as JSON."""
        if self.ratios:
            rows = [[name, f"{value:.3g}", (goals or {}).get(name, "")] for name, value in self.ratios.items()]
            self.table("Ratios", ["ratio", "here", "goal"], rows)
        result = {
            "command": self.command,
            "machine": machine(),
            "versions": versions(),
            "ratios": {name: round(value, 4) for name, value in self.ratios.items()},
            "figures": self.figures,
        }
        print(json.dumps(result), flush=True)


GOALS = {
    "int8_1_over_openvino": ">= 1.2",
    "int8_8_over_openvino": ">= 1.15",
    "int8_16_over_openvino": ">= 1.15",
    "int8_8_long_over_openvino": ">= 1.5",
    "int8_1_over_ctranslate2": ">= 1.2",
    "int8_8_over_ctranslate2": ">= 1.6",
    "int8_8_over_serial_generate": ">= 16",
    "fp32_1_over_generate": ">= 1.2",
    "fp32_8_over_generate": ">= 1.5",
    "lookup_on_over_off": ">= 1.5",
    "ttft_cached_over_cold": "<= 0.07",
    "join_stall_over_step": "<= 3",
    "finish_stall_over_step": "<= 1.3",
    "int8_completions": ">= 1500",
    "int8_differing": "0",
    "float32_completions": ">= 1500",
    "float32_differing": "0",
    "page_over_engine_1": ">= 0.95",
    "page_over_engine_8": ">= 0.85",
    "page_over_engine_32": ">= 0.9",
    "page_first_paint_0_ms_away": "<= 1",
    "page_click_answered_0_ms_away": "<= 1",
    "gpu_1_over_generate": ">= 6",
    "gpu_most_over_serial_generate": ">= 25",
    "gpu_1_share_of_bandwidth": ">= 0.75 of 16B",
    "int8_memory_over_fp32": "<= 0.35",
}


def say(text: str) -> None:
    """Progress, out of the way of the tables."""
    print(text, file=sys.stderr, flush=True)


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table that reads well as it is and in a README."""
    cells = [list(header), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    import torch

    from codegen_ui.engine.device import device_name, memory_total

    cpu = torch.device("cpu")
    text = f"{device_name(cpu)}, {torch.get_num_threads()} threads, {memory_total(cpu) / 2**30:.0f} GiB"
    if hasattr(os, "getloadavg"):
        text += f", load {os.getloadavg()[0]:.1f}"
    if torch.cuda.is_available():
        text += f"; {torch.cuda.get_device_name()}"
    return text
