/* Gradio loads the page anew when its connection comes back. What was typed and what had come is kept across that, and
   Continue goes on from it: the run itself ended with the connection. Until then Gradio does nothing at a click, from the
   first request on that failed, be it only a timer's; so what was asked for in vain is asked for again. */
(() => {
  const KEY = "codegen-kept";
  const NOTE = "The connection was lost while this was shown. What had come is kept: Continue goes on from it.";
  const TOLD_MS = 100;  // after which a field has told Gradio what is in it
  const ASKS = ["cg-generate", "cg-continue"];
  const ASKS_NO_MORE = ["cg-stop", "cg-clear"];
  let lost = false;
  let asked = null;  // the button that was pressed last, until the server has taken what it asks for

  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      const path = new URL(one.name).pathname;
      // Nothing but Gradio's attempts to reconnect asks for this address.
      if (path.endsWith("/gradio_api/app_id")) lost = true;
      if (path.endsWith("/gradio_api/queue/join") && one.responseStatus !== 0 && one.startTime >= asked?.at) asked = null;
    }
  }).observe({ type: "resource" });

  addEventListener("click", ({ target }) => {
    const id = [...ASKS, ...ASKS_NO_MORE].find((one) => target.closest?.(`#${one}`));
    if (id) asked = ASKS.includes(id) ? { id, at: performance.now() } : null;
  }, { capture: true });

  const fields = () => [...document.querySelectorAll("#cg-left textarea, #cg-left input")].filter((one) => one.type !== "range");
  const name = (field) => `${field.closest("[id^=cg-]").id} ${field.type} ${field.type === "radio" ? field.value : ""}`;

  addEventListener("pagehide", () => {
    const code = document.querySelector("#cg-output code");
    if (!lost || !code) return;
    const values = fields().map((one) => [name(one), one.type === "radio" ? one.checked : one.value]);
    try { sessionStorage.setItem(KEY, JSON.stringify({ values, output: code.innerHTML, asked: asked?.id })); } catch (_) { /* full, or a private window */ }
  });

  function fill(kept) {
    const values = new Map(kept.values);
    for (const field of fields()) {
      const value = values.get(name(field));
      if (field.type === "radio") { if (value && !field.checked) field.click(); continue; }
      if (value === undefined || value === field.value) continue;
      field.value = value;
      for (const event of ["input", "change", "blur"]) field.dispatchEvent(new Event(event, { bubbles: true }));
    }
    document.querySelector("#cg-output code").innerHTML = kept.output;
    document.querySelector("#cg-live .cg-note").textContent = NOTE;
    codegenUI.announce(NOTE);
    goOnFrom(codegenUI.editor().value, codegenUI.outputText());
    if (kept.asked) setTimeout(() => codegenUI.button(kept.asked).click(), TOLD_MS);
  }

  /* The server has forgotten this tab's text, so Continue gets it from here, as long as it is what the page shows. */
  function goOnFrom(prompt, whole) {
    if (whole === prompt || !whole.startsWith(prompt)) return;
    addEventListener("click", (event) => {
      const editor = codegenUI.editor();
      if (!event.target.closest("#cg-continue") || editor.value !== prompt || codegenUI.outputText() !== whole) return;
      event.stopImmediatePropagation();
      codegenUI.type(editor, whole);
      setTimeout(() => codegenUI.button("cg-continue").click(), TOLD_MS);
    }, { capture: true });
  }

  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEY));
    sessionStorage.removeItem(KEY);
  } catch (_) { /* a private window */ }
  if (!kept) return;
  const waiting = setInterval(() => {
    // The panels have drawn what they begin with.
    if (!document.querySelector("#cg-output code") || !document.querySelector("#cg-live .cg-state")?.textContent) return;
    clearInterval(waiting);
    fill(kept);
  }, 100);
})();
