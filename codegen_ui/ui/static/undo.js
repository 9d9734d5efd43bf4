/* Accept moves the completion into the prompt. Undo and Redo go through what the prompt was whenever something other than
   typing replaced it: accepting, an example, Continue, Clear. Nothing is lost, whatever was typed since. */
"use strict";
(() => {
  const ui = window.codegenUI;
  const MOST = 50;
  const REPLACES = "#cg-clear, #cg-continue, .cg-chip, [data-replaces]";
  const DOES = { accept, undo: () => move(past, future, "back"), redo: () => move(future, past, "again") };
  const prompt = () => ui.editor()?.value ?? "";
  const past = [], future = [];

  /* What Accept would make of the prompt: the output, as long as it begins with what the editor holds; else nothing. */
  function offered() {
    if (document.body.classList.contains("cg-busy") || !document.querySelector("#cg-output .completion")) return "";
    const text = ui.outputText(), now = prompt();
    return text.length > now.length && text.startsWith(now) ? text : "";
  }

  function remember() {
    if (past.at(-1) !== prompt()) past.push(prompt());
    past.splice(0, past.length - MOST);
    future.length = 0;
  }

  function accept() {
    const text = offered();
    if (!text) return;
    remember();
    ui.type(ui.editor(), text);
    ui.announce("The completion is part of the prompt now.");
    if (matchMedia("(hover: none)").matches) return;  // where focus would open a keyboard
    ui.editor().focus();
    ui.editor().setSelectionRange(text.length, text.length);
    ui.editor().scrollTop = ui.editor().scrollHeight;
  }

  function move(from, to, way) {
    const now = prompt();
    while (from.at(-1) === now) from.pop();
    if (!from.length) return;
    to.push(now);
    ui.type(ui.editor(), from.pop());
    ui.announce(`The prompt is as it was ${way === "back" ? "before" : "after"}.`);
  }

  /* Buttons that have nothing to do say so and keep the focus. */
  function refresh() {
    const now = prompt();
    const can = { accept: offered() !== "", undo: past.some((text) => text !== now), redo: future.some((text) => text !== now) };
    for (const [name, able] of Object.entries(can)) {
      document.querySelector(`[data-act=${name}]`)?.setAttribute("aria-disabled", String(!able));
    }
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("button");
    if (button?.matches(REPLACES) || target.closest?.(REPLACES)) remember();
    const act = button && DOES[button.dataset.act];
    if (act) act();
    refresh();
  }, true);
  for (const event of ["input", "cg-drawn", "cg-ended"]) document.addEventListener(event, refresh);
  ui.edited = refresh;
})();
