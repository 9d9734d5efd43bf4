"""What can be relied on of the tokens that a model here gives: against transformers, and whoever else is served.

The sentences are for people: the page's head, `/v1/models` and the READMEs have them. What they claim is measured by
`python -m codegen_ui.bench exactness` and `... invariance`.
"""

from __future__ import annotations

from codegen_ui.generation import ModelInfo

IN_COMPANY = "the same whoever else is served, bit for bit"


def exactness(info: ModelInfo) -> str:
    """One line on what runs, with the option that gives the other; "" where a remote server does not tell."""
    if not info.dtype:
        return ""
    parts = [against_transformers(info), in_company(info), other(info)]
    return "; ".join(part for part in parts if part)


def name_of(info: ModelInfo) -> str:
    """'int8' or the dtype: how the line begins."""
    return info.dtype if info.quantize == "none" else info.quantize


def against_transformers(info: ModelInfo) -> str:
    if info.quantize == "int8":
        return "int8: close to transformers in float32, but sooner or later another token"
    if info.dtype == "float32":
        return "float32: greedy tokens identical to transformers'"
    return f"{info.dtype}: close to transformers in float32, but rounded to {info.dtype}"


def in_company(info: ModelInfo) -> str:
    if info.batch_invariant:
        return IN_COMPANY
    if info.batch_invariant is None:
        return ""
    if info.dtype == "float32" and info.quantize == "none":
        return "the last bits of logits depend on who else is served, which hardly ever shows in a token"
    why = f", because {info.batch_note}" if info.batch_note and info.quantize == "int8" and info.device == "cpu" else ""
    return f"who else is served can change a token{why}"


def other(info: ModelInfo) -> str:
    if info.quantize == "int8" or info.dtype != "float32":
        options = [] if info.quantize == "none" else ["--quantize none"]
        options += [] if info.dtype == "float32" else ["--dtype float32"]
        return f"{' '.join(options)} is identical"
    return "--quantize int8 is faster, and close" if info.device == "cpu" else "--dtype float16 is faster, and close"
