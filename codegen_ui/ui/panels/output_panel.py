"""The completion as it streams: highlighted lines that the browser patches one by one, with copy and download."""

from __future__ import annotations

from codegen_ui.ui.widgets import drawn

TEMPLATE = """
<div class="cg-bar"><h2>Output</h2><span class="cg-legend"><i class="p"></i>prompt<i class="c"></i>completion</span>
<button type="button" data-act="accept" aria-disabled="true" aria-keyshortcuts="Alt+Enter"
title="Moves the completion into the prompt: Alt+Enter">Accept</button>
<button type="button" data-act="copy">Copy</button><button type="button" data-act="download">Download .py</button></div>
<div class="cg-scroll" tabindex="0" role="region" aria-label="Prompt and completion"><pre><code></code></pre></div>
"""


class OutputPanel:
    """`lines` shows a list of safe HTML strings, one a line."""

    def __init__(self) -> None:
        self.lines = drawn([], TEMPLATE, "output", "cg-output")
