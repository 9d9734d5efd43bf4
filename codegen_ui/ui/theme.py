"""How the page looks: system fonts, one quiet accent, light and dark; the browser's side in `static/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("page.js", "panels.js", "lists.js", "keys.js", "undo.js", "kept.js")
SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "Liberation Mono", "monospace")


@dataclass(frozen=True)
class Palette:
    """Colours of one theme. Every text colour has a contrast of at least 4.5:1 on both backgrounds."""

    text: str
    prompt_background: str
    completion_background: str
    classes: Mapping[str, str] = field(default_factory=dict)


LIGHT = Palette(
    text="#1f2328",
    prompt_background="#ffffff",
    completion_background="#eef6ff",
    classes={
        "c": "#57606a",
        "k": "#b01d2b",
        "f": "#6639ba",
        "d": "#8a4600",
        "b": "#0b57a4",
        "n": "#0b57a4",
        "s": "#0a5c36",
        "i": "#8a4600",
    },
)
DARK = Palette(
    text="#e6edf3",
    prompt_background="#0d1117",
    completion_background="#14233a",
    classes={
        "c": "#9fabb8",
        "k": "#ff8f87",
        "f": "#d2a8ff",
        "d": "#ffb066",
        "b": "#86c3ff",
        "n": "#86c3ff",
        "s": "#8fdc9f",
        "i": "#ffb066",
    },
)


@dataclass(frozen=True)
class Look:
    """What `gr.mount_gradio_app` takes beside the blocks."""

    theme: gr.themes.Base
    css: str
    head: str


def make_look() -> Look:
    """Read the page's own files; nothing is fetched from another host."""
    css = (STATIC / "page.css").read_text(encoding="utf-8") + code_css("#cg-output")
    script = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return Look(make_theme(), css, f"<script>\n{script}\n</script>")


def make_theme() -> gr.themes.Base:
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=SANS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_sm,
        text_size=gr.themes.sizes.text_sm,
    )
    return theme.set(
        body_background_fill="#f6f7f8",
        body_background_fill_dark="#0b0f14",
        block_background_fill="#ffffff",
        block_background_fill_dark="#121821",
        block_border_width="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#0d1219",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#0d655e",
        button_primary_background_fill_dark="#14b8a6",
        button_primary_background_fill_hover_dark="#2dd4bf",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#05201d",
        slider_color="#0f766e",
        slider_color_dark="#2dd4bf",
    )


def code_css(scope: str) -> str:
    """Rules for elements under `scope` (a CSS selector), light, and dark below gradio's `.dark`."""
    return "\n".join([*_rules(scope, LIGHT), *_rules(f".dark {scope}", DARK)])


def _rules(scope: str, palette: Palette) -> Iterator[str]:
    yield f"{scope} {{ color: {palette.text}; background: {palette.prompt_background}; }}"
    yield f"{scope} .completion {{ background: {palette.completion_background}; }}"
    for name, colour in palette.classes.items():
        yield f"{scope} .{name} {{ color: {colour}; }}"
