/* Presenter mode: the page's own panels in large type, a queue of examples advanced by one key, box and lanes in a corner.
   Nothing runs before a key or a click. */
const STAGE = `
<section class="cg-stage" aria-label="Presenter">
  <p class="cg-stage-title"><b data-p="title"></b><span data-p="about"></span></p>
  <p class="cg-stage-where" role="status"></p>
  <div class="cg-stage-acts">
    <button type="button" data-act="previous">◂ Back <kbd>P</kbd></button>
    <button type="button" data-act="next">Next ▸ <kbd>N</kbd></button>
    <button type="button" data-act="again">Again <kbd>G</kbd></button>
    <button type="button" data-act="leave">Leave <kbd>Esc</kbd></button>
  </div>
</section>`;
const KEYS = { n: "next", PageDown: "next", p: "previous", PageUp: "previous", g: "again", Escape: "leave" };
const TYPED = "input, textarea, select, [contenteditable], .cm-editor";

let stage = null, at = -1, before = null, only = [];

const find = (selector) => stage.querySelector(selector);
/* The gallery draws its chips anew when examples are saved: they are looked for each time. */
function queue() {
  const chips = [...document.querySelectorAll("#cg-gallery .cg-chip")];
  if (!only.length) return chips;
  return only.map((title) => chips.find((chip) => titleOf(chip).toLowerCase() === title)).filter(Boolean);
}
const titleOf = (chip) => chip.querySelector("b").textContent;

/* Titles that an address names: #present=Merge sort,Recursion or ?present=... */
function named() {
  let text = new URLSearchParams(location.search).get("present") ?? "";
  try { if (location.hash.startsWith("#present=")) text = decodeURIComponent(location.hash.slice("#present=".length)); } catch (_) { /* not an encoded text */ }
  return text.split(",").map((title) => title.trim().toLowerCase()).filter(Boolean);
}

export function open() {
  if (document.body.classList.contains("cg-presenting")) return;
  codegenUI.style("presenter");
  if (!stage) {
    const host = document.querySelector(".gradio-container main") ?? document.querySelector(".gradio-container");
    host.insertAdjacentHTML("afterbegin", STAGE);
    stage = host.firstElementChild;
    for (const button of stage.querySelectorAll("button")) button.addEventListener("click", () => act(button.dataset.act));
    // Before the page's own keys: here Escape leaves, and stops nothing.
    window.addEventListener("keydown", onKey, true);
  }
  only = named();
  at = -1;
  const lanes = document.querySelector("#cg-lanes details");
  before = { focus: document.activeElement, lanes: lanes?.open ?? false };
  if (lanes) lanes.open = true;
  stage.hidden = false;
  document.body.classList.add("cg-presenting");
  tell();
  find("[data-act=next]").focus();
}

function leave() {
  document.body.classList.remove("cg-presenting");
  delete document.body.dataset.presenting;
  stage.hidden = true;
  const lanes = document.querySelector("#cg-lanes details");
  if (lanes) lanes.open = before.lanes;
  // A page that is loaded again shall not present again.
  const query = new URLSearchParams(location.search);
  query.delete("present");
  const rest = query.toString();
  const hash = /^#present(=|$)/.test(location.hash) ? "" : location.hash;
  history.replaceState(history.state, "", location.pathname + (rest ? `?${rest}` : "") + hash);
  const back = before.focus?.isConnected && before.focus !== document.body ? before.focus : document.querySelector(".cg-present");
  back.focus();
}

function act(name) {
  if (name === "leave") { leave(); return; }
  const all = queue();
  if (name === "next") at = Math.min(all.length - 1, at + 1);
  if (name === "previous") at = Math.max(0, at - 1);
  if (name === "again" && at < 0) at = 0;
  tell();
  all[at]?.click();
}

function onKey(event) {
  if (!document.body.classList.contains("cg-presenting") || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest?.(TYPED)) return;
  const meant = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!meant || (event.key.startsWith("Page") && event.target.closest?.(".cg-scroll"))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  act(meant);
}

/* A button that has nothing to do gives the focus to one that has. */
function enable(name, able, other) {
  const button = find(`[data-act=${name}]`);
  const focused = document.activeElement === button;
  button.disabled = !able;
  if (!able && focused) find(`[data-act=${other}]`).focus();
}

/* Which example it is and which one comes; as text, whatever its title says. */
function tell() {
  const all = queue();
  const chip = all[at], next = all[at + 1];
  find("[data-p=title]").textContent = chip ? titleOf(chip) : "Ready";
  find("[data-p=about]").textContent = chip ? chip.getAttribute("aria-description") ?? "" : "Next begins with the first example.";
  const place = all.length ? `${at + 1} of ${all.length}` : "No example of these titles";
  find(".cg-stage-where").textContent = next ? `${place} · next: ${titleOf(next)}` : `${place}${all.length ? " · the last" : ""}`;
  enable("again", at >= 0, "next");
  enable("next", Boolean(next), "again");
  enable("previous", at > 0, "next");
  document.body.dataset.presenting = String(at);
}
