/* Keys. In the editor Tab indents as the text itself does; Escape lets the next Tab leave it. Ctrl+Enter generates, Alt+Enter
   accepts, Escape stops, where nothing else means something by it. */
"use strict";
(() => {
  const { button, editor } = window.codegenUI;
  let tabLeaves = false;

  function onKey(event) {
    if (event.isComposing || event.keyCode === 229) return;  // an input method's own keys
    const area = editor();
    const inEditor = event.target === area;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      if (!document.getElementById("cg-left")?.contains(event.target)) return;
      event.preventDefault();
      event.stopPropagation();
      // The field tells Gradio its value on blur where it has not yet: press the button a moment later.
      setTimeout(() => button("cg-generate")?.click(), 0);
    } else if (event.key === "Enter" && event.altKey) {
      if (!document.getElementById("cg-left")?.contains(event.target)) return;
      event.preventDefault();
      event.stopPropagation();
      document.querySelector("[data-act=accept]")?.click();
    } else if (event.key === "Escape") {
      if (inEditor) tabLeaves = true;
      const meant = inEditor || event.target === document.body || event.target.closest?.("#cg-actions, #cg-output, #cg-live, #cg-gallery");
      const stop = button("cg-stop");
      if (meant && stop && !stop.disabled) stop.click();
    } else if (inEditor && event.key === "Tab") {
      onTab(event, area);
    } else if (inEditor && !["Shift", "Control", "Alt", "Meta"].includes(event.key)) {
      tabLeaves = false;
    }
  }

  function onTab(event, area) {
    if (tabLeaves || event.ctrlKey || event.altKey || event.metaKey) { tabLeaves = false; return; }
    event.preventDefault();
    const unit = /^\t/m.test(area.value) ? "\t" : "    ";
    if (event.shiftKey || area.value.slice(area.selectionStart, area.selectionEnd).includes("\n")) {
      indent(area, unit, event.shiftKey);
    } else {
      document.execCommand("insertText", false, unit);
    }
  }

  function indent(area, unit, out) {
    const { value, selectionStart, selectionEnd } = area;
    const from = value.lastIndexOf("\n", selectionStart - 1) + 1;
    const lines = value.slice(from, selectionEnd).split("\n");
    const moved = lines.map((line) => out ? line.replace(/^(\t| {1,4})/, "") : line && unit + line).join("\n");
    area.setSelectionRange(from, selectionEnd);
    document.execCommand("insertText", false, moved);
    area.setSelectionRange(lines.length > 1 ? from : from + moved.length, from + moved.length);
  }

  /* Enter makes a line, also where Gradio would submit. */
  function onPress(event) {
    if (event.key === "Enter" && event.target.matches?.("textarea")) event.stopPropagation();
  }

  document.addEventListener("keydown", onKey, true);
  document.addEventListener("keypress", onPress, true);
})();
