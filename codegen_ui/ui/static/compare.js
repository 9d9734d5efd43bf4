/* Two runs of one prompt side by side, what they differ in, and both again at their own pace. */
import { player } from "./race.js";

const side = (name, number) => `
<fieldset data-side="${number}"><legend>${name}</legend>
  <label>Settings <select data-c="settings"></select></label>
  <label>Model <select data-c="model"></select></label>
  <label>Prompt lookup <select data-c="lookup"><option>on</option><option>off</option></select></label>
  <button type="button" data-act="hold">Hold the page's settings for ${name}</button>
  <p class="cg-hint" data-c="held"></p>
</fieldset>`;
const pane = (name) => `
<section class="cg-pane" hidden><div class="cg-pane-top"><b>${name}</b><span data-c="label"></span><span data-c="state"></span></div>
<pre tabindex="0" role="region" aria-label="Completion ${name}"></pre><p class="cg-hint"></p></section>`;
const BODY = `
<div class="cg-sides">${side("A", 0)}${side("B", 1)}</div>
<p class="cg-hint" data-c="offers"></p>
<div class="cg-controls">
  <span role="radiogroup" aria-label="How they run" class="cg-controls">
  <label><input type="radio" name="cg-order" value="after" checked> one after the other</label>
  <label><input type="radio" name="cg-order" value="together"> together, sharing the engine's steps</label></span>
  <button type="button" data-act="compare">Compare</button>
  <button type="button" data-act="halt" disabled>Stop both</button>
  <button type="button" data-act="lookup">Photo finish: lookup on against off</button>
  <button type="button" data-act="models" hidden></button>
</div>
<div class="cg-panes">${pane("A")}${pane("B")}</div>
<div class="cg-replay"></div>
<div class="cg-outcome" hidden>
  <div class="cg-table" tabindex="0" role="region" aria-label="Figures of A and B"><table><caption>Figures</caption>
  <thead><tr><th scope="col"><span class="cg-unseen">Figure</span></th><th scope="col">A</th><th scope="col">B</th><th scope="col">B against A</th></tr></thead><tbody></tbody></table></div>
  <div class="cg-controls" role="radiogroup" aria-label="How the texts are compared"><b data-c="same"></b>
  <label><input type="radio" name="cg-diff" value="lines" checked> by line</label>
  <label><input type="radio" name="cg-diff" value="tokens"> by token</label></div>
  <pre class="cg-diff" tabindex="0" role="region" aria-label="Difference of the texts"></pre>
  <p class="cg-hint">− and struck through: only in A. + and underlined: only in B.</p>
</div>`;
const MARKS = { same: "  ", gone: "− ", new: "+ " };
const TAGS = { same: "span", gone: "del", new: "ins" };
const NAMES = { page: "as on the page" };

export function start(element, fire) {
  codegenUI.style("compare");
  const details = element.querySelector("details");
  const note = element.querySelector(".cg-note");
  note.insertAdjacentHTML("beforebegin", BODY);
  const find = (selector) => details.querySelector(selector);
  const act = (name) => find(`[data-act=${name}]`);
  const sides = [...details.querySelectorAll("[data-side]")];
  const panes = [...details.querySelectorAll(".cg-pane")];
  const field = (number, name) => sides[number].querySelector(`[data-c=${name}]`);
  const held = [null, null];
  let offered = false, shown = "", result = {}, finishing = false;

  const race = player(find(".cg-replay"), (lane, recording, text, done) => {
    panes[lane].hidden = !recording;
    if (recording) draw(lane, { label: recording.label, text, figures: recording.figures ?? "", state: done ? "" : "replay" });
  });

  act("compare").addEventListener("click", () => go(false));
  act("halt").addEventListener("click", () => fire.halt({}));
  act("lookup").addEventListener("click", () => {
    sides.forEach((_, number) => {
      field(number, "lookup").value = number ? "off" : "on";
      for (const name of ["settings", "model"]) field(number, name).value = field(0, name).value;
    });
    if (field(0, "settings").value === "held") held[1] = held[0];
    tellHeld();
    go(true);
  });
  act("models").addEventListener("click", () => {
    sides.forEach((_, number) => {
      field(number, "model").selectedIndex = number;
      for (const name of ["settings", "lookup"]) field(number, name).value = field(0, name).value;
    });
    if (field(0, "settings").value === "held") held[1] = held[0];
    tellHeld();
    go(true);
  });
  sides.forEach((one, number) => one.querySelector("[data-act=hold]").addEventListener("click", () => fire.hold({ side: number })));
  for (const input of details.querySelectorAll("[name=cg-diff]")) input.addEventListener("change", difference);
  document.addEventListener("cg-ended", () => { if (details.open) setTimeout(() => fire.take({}), 300); });

  /* The editor tells Gradio its text on blur: a moment later it is there. */
  function go(finish) {
    finishing = finish;
    if (finish) find("[name=cg-order][value=after]").checked = true;
    const given = sides.map((_, number) => {
      const settings = field(number, "settings").value;
      return { settings: settings === "held" ? held[number] : settings, model: field(number, "model").value,
        lookup: field(number, "lookup").value === "on" };
    });
    setTimeout(() => fire.compare({ sides: given, order: find("[name=cg-order]:checked").value }), 0);
  }

  function offer(given) {
    sides.forEach((_, number) => {
      const before = offered ? [...sides[number].querySelectorAll("select")].map(({ value }) => value) : [];
      field(number, "settings").replaceChildren(...given.settings.map((name) => new Option(NAMES[name] ?? name, name)),
        ...(held[number] ? [new Option("held", "held")] : []));
      field(number, "model").replaceChildren(...given.models.map(({ name, label }) => new Option(label, name)));
      field(number, "model").value = given.chosen;
      field(number, "model").disabled = given.models.length < 2;
      field(number, "lookup").disabled = Boolean(given.no_lookup);
      if (offered) [...sides[number].querySelectorAll("select")].forEach((select, at) => { select.value = before[at]; });
    });
    if (!offered) field(1, "settings").value = given.settings[1];
    offered = true;
    act("lookup").disabled = Boolean(given.no_lookup);
    act("models").hidden = given.models.length < 2;
    if (given.models.length > 1) act("models").textContent = `Photo finish: ${given.models[0].label} against ${given.models[1].label}`;
    find("[data-c=offers]").textContent = [given.one_model, given.no_lookup].filter(Boolean).join(" ");
  }

  function hold({ side: number, settings, words }) {
    held[number] = settings;
    const select = field(number, "settings");
    if (![...select.options].some(({ value }) => value === "held")) select.append(new Option("held", "held"));
    select.value = "held";
    sides[number].dataset.words = words;
    tellHeld();
  }

  function tellHeld() {
    if (held[1] && held[1] === held[0]) sides[1].dataset.words = sides[0].dataset.words;
    sides.forEach((one, number) => {
      const select = field(number, "settings");
      if (held[number] && ![...select.options].some(({ value }) => value === "held")) {
        select.append(new Option("held", "held"));
        if (field(0, "settings").value === "held") select.value = "held";
      }
      field(number, "held").textContent = held[number] ? `Held: ${one.dataset.words}` : "";
    });
  }

  function draw(lane, value) {
    const top = panes[lane];
    top.hidden = false;
    for (const name of ["label", "state"]) top.querySelector(`[data-c=${name}]`).textContent = value[name] ?? "";
    const pre = top.querySelector("pre");
    if (pre.textContent !== value.text) pre.textContent = value.text;
    top.querySelector(".cg-hint").textContent = [value.figures, value.note].filter(Boolean).join(" · ");
  }

  function compared(value) {
    const ended = shown === value.run && !element.dataset.busy;
    if (ended) return;
    if (shown !== value.run) { shown = value.run; race.hide(); find(".cg-outcome").hidden = true; }
    element.dataset.busy = value.busy;
    act("halt").disabled = !value.busy;
    value.sides.forEach((one, lane) => draw(lane, one));
    if (value.busy || !value.recorded) return;
    const added = value.recorded.map((one, lane) => ({ ...one, label: `${value.sides[lane].name}: ${value.sides[lane].label}`, figures: value.sides[lane].figures }));
    race.add(added, added.map(({ id }) => id));
    value.sides.forEach((one, lane) => draw(lane, { ...one, label: one.label }));
    result = value;
    find(".cg-outcome").hidden = !value.table;
    element.dataset.same = value.same ?? "";
    if (!value.table) return;
    find("[data-c=same]").textContent = value.same === "yes" ? "The texts are the same." : "The texts differ.";
    find("tbody").replaceChildren(...value.table.map((row) => {
      const tr = document.createElement("tr");
      tr.append(...row.map((cell, at) => Object.assign(document.createElement(at ? "td" : "th"), { textContent: cell, ...(at ? {} : { scope: "row" }) })));
      return tr;
    }));
    difference();
    codegenUI.announce(`Both have ended. ${find(".cg-finish").textContent}`);
    if (finishing && !matchMedia("(prefers-reduced-motion: reduce)").matches) race.restart();
    finishing = false;
  }

  function difference() {
    const way = find("[name=cg-diff]:checked").value;
    const pre = find(".cg-diff");
    pre.dataset.way = way;
    pre.replaceChildren(...(result[way] ?? []).map(([kind, text]) => {
      const part = document.createElement(TAGS[kind]);
      part.textContent = way === "lines" ? `${MARKS[kind]}${text}\n` : kind === "same" ? text : text.replaceAll("\n", "⏎\n");
      return part;
    }));
  }

  return (value) => {
    if (value.offers) offer(value.offers);
    if (value.held) hold(value.held);
    if ("note" in value) note.textContent = value.note;
    if (value.run) compared(value);
    if (value.taken && !element.dataset.busy) {
      const { taken } = value;
      race.add([taken], race.chosen.some(Boolean) ? race.chosen : [taken.id]);
    }
  };
}
