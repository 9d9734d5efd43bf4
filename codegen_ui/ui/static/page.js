/* What the panels' scripts share. Values from the server are plain text and are set as text; only the output's lines are
   HTML, escaped and highlighted by the server. */
"use strict";
window.codegenUI = (() => {
  const ANNOUNCE_MS = 3000;
  const byId = (id) => document.getElementById(id);
  const button = (id) => { const found = byId(id); return found && (found.matches("button") ? found : found.querySelector("button")); };
  const editor = () => document.querySelector("#cg-prompt textarea");

  function setTexts(element, value) {
    for (const field of element.querySelectorAll("[data-f]")) {
      const text = value[field.dataset.f] ?? "";
      if (field.textContent !== text) field.textContent = text;
    }
  }

  /* Draw now and after every change of the value. */
  function follow(props, watch, draw) {
    const redraw = () => { if (props.value && typeof props.value === "object") draw(props.value); };
    watch("value", redraw);
    redraw();
  }

  /* A panel whose script is a file of its own, loaded when there is first something to draw: `start(element, fire)` of it
     gives the function that draws. */
  function part(name, element, props, watch, fire) {
    let drawing = null;
    const load = () => (drawing ||= script(name).then((module) => module.start(element, fire)));
    // A section that is opened tells the server, which then has something to show.
    element.querySelector("details")?.addEventListener("toggle", ({ target }) => {
      if (target.open) load().then(() => fire.open?.({ ...place(), name: "0" }));
    });
    const fragment = element.querySelector("[data-fragment]")?.dataset.fragment;
    if (fragment && location.hash.startsWith(`#${fragment}=`)) load();
    follow(props, watch, (value) => {
      if (drawing || Object.keys(value).length) load().then((draw) => draw(props.value));
    });
  }

  /* Where this page is, for code and links that name it. */
  const place = () => ({ address: new URL(".", document.baseURI).href });

  const script = (name) => import(new URL(`own/${name}.js`, document.baseURI).href);

  /* The style sheet of a panel that is opened later than the page. */
  function style(name) {
    if (byId(`cg-style-${name}`)) return;
    const href = new URL(`own/${name}.css`, document.baseURI).href;
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href, id: `cg-style-${name}` }));
  }

  /* What a screen reader says: the latest word, and not more often than one can listen to. */
  let spoken = 0;
  let speaking = null;
  function announce(text) {
    let region = byId("cg-announcer");
    if (!region) {
      region = Object.assign(document.createElement("div"), { id: "cg-announcer", className: "cg-unseen" });
      region.setAttribute("role", "status");
      document.querySelector(".gradio-container main, .gradio-container").append(region);
    }
    clearTimeout(speaking);
    speaking = setTimeout(() => { spoken = Date.now(); region.textContent = text; },
      Math.max(100, spoken + ANNOUNCE_MS - Date.now()));
  }

  function texts(element, props, watch) {
    follow(props, watch, (value) => {
      setTexts(element, value);
      if ("tone" in value) element.dataset.tone = value.tone;
    });
  }

  function meter(element, props, watch) {
    texts(element, props, watch);
    // What is wrong with the prompt is said first; a count that comes late does not take its place.
    watch("value", () => editor()?.matches(":not([aria-invalid])") && editor().setAttribute("aria-describedby", "cg-keys"));
  }

  /* Prompt and completion, as the output shows them. */
  function outputText() {
    return [...document.querySelectorAll("#cg-output .line")].map((line) => line.textContent).join("\n");
  }

  function save(file) {
    if (!file || !file.name) return;
    const address = URL.createObjectURL(new Blob([file.text], { type: "text/plain;charset=utf-8" }));
    const link = Object.assign(document.createElement("a"), { href: address, download: file.name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  async function copy(text) {
    if (navigator.clipboard && window.isSecureContext) {
      try { await navigator.clipboard.writeText(text); return true; } catch (_) { /* not allowed: the old way */ }
    }
    const area = Object.assign(document.createElement("textarea"), { value: text });
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }

  function flash(element, text) {
    const before = element.dataset.label || (element.dataset.label = element.textContent);
    element.textContent = text;
    setTimeout(() => { element.textContent = before; }, 1200);
  }

  function type(field, text) {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  return { follow, setTexts, texts, meter, part, script, style, place, save, copy, flash, type, announce, byId, button, editor, outputText };
})();

/* Gradio goes through the page's own style sheet, rule by rule, before the first paint; this one is not needed for it. */
codegenUI.style("samples");
