/* The browser's side of the page. Values from the server are plain text and are set as text; only the output's lines are
   HTML, escaped and highlighted by the server. */
"use strict";
window.codegenUI = (() => {
  const NEAR_BOTTOM = 24;
  const ANNOUNCE_MS = 3000;
  /* Fields of a request whose element is not called as they are. */
  const FIELDS = { max_new_tokens: "max-length", stop: "stop-strings", model: "picker" };
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
    watch("value", () => editor()?.setAttribute("aria-describedby", "cg-keys"));
  }

  function head(element, props, watch, retry) {
    let stage = "";
    let kept = null;
    try { kept = localStorage.getItem("codegen-theme"); } catch (_) { /* private window */ }
    if (kept && !location.search.includes("__theme")) document.body.classList.toggle("dark", kept === "dark");
    element.querySelector(".cg-theme").addEventListener("click", () => {
      const dark = document.body.classList.toggle("dark");
      try { localStorage.setItem("codegen-theme", dark ? "dark" : "light"); } catch (_) { /* private window */ }
    });
    const again = element.querySelector(".cg-retry");
    again.addEventListener("click", () => { again.disabled = true; retry({}); });
    follow(props, watch, (value) => {
      setTexts(element, value);
      element.dataset.tone = value.tone;
      const now = value.line.replace(/[\d.,]+/g, "");  // megabytes that count up are not worth a word each
      if (now && now !== stage) announce(value.line);
      stage = now;
      again.hidden = value.tone !== "failed";
      again.disabled = false;
      const notice = element.querySelector(".cg-notice");
      notice.hidden = !value.notice;
      notice.classList.toggle("error", value.tone === "failed");
      const bar = element.querySelector(".cg-progress");
      bar.hidden = value.tone !== "loading";
      bar.classList.toggle("unknown", !value.percent);
      bar.firstElementChild.style.width = value.percent || "";
    });
  }

  function output(element, props, watch) {
    const code = element.querySelector("code");
    const scroll = element.querySelector(".cg-scroll");
    let shown = [];
    let sticky = true;
    scroll.addEventListener("scroll", () => {
      sticky = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM;
    });
    follow(props, watch, (lines) => {
      if (lines.length < shown.length || lines[0] !== shown[0]) sticky = true;
      lines.forEach((line, at) => {
        if (at >= code.children.length) code.append(Object.assign(document.createElement("div"), { className: "line" }));
        if (shown[at] !== line) code.children[at].innerHTML = line;
      });
      while (code.children.length > lines.length) code.lastElementChild.remove();
      let made = false;
      for (const line of code.children) {
        made = made || line.querySelector(".completion") !== null;
        line.classList.toggle("made", made);
      }
      shown = lines.slice();
      if (sticky) scroll.scrollTop = scroll.scrollHeight;
    });
    const text = outputText;
    const bar = element.querySelector(".cg-bar");
    bar.querySelector("[data-act=copy]").addEventListener("click", async (event) => {
      const done = await copy(text());
      flash(event.target, done ? "Copied" : "Not copied");
    });
    bar.querySelector("[data-act=download]").addEventListener("click", () => {
      const name = (text().match(/^(?:async )?(?:def|class) +(\w+)/m) || [0, "completion"])[1];
      save({ name: name + ".py", text: text() + (text().endsWith("\n") ? "" : "\n") });
    });
  }

  /* The checks of the completion, run at its end: their script, and Brython, are loaded when there are first any. */
  function verdicts(element) {
    const checks = () => document.querySelector("#cg-checks textarea")?.value ?? "";
    let shown = false;
    element.hidden = true;
    const judge = async () => {
      if (!shown && !checks().trim()) return;
      shown = true;
      (await script("verdicts")).show(element, outputText(), checks());
    };
    // The output is drawn in the same turn as the figures that tell of the end.
    document.addEventListener("cg-ended", ({ detail }) => { if (detail.tone === "done") setTimeout(judge, 30); });
    element.querySelector("[data-act=again]").addEventListener("click", judge);
  }

  /* Prompt and completion, as the output shows them. */
  function outputText() {
    return [...document.querySelectorAll("#cg-output .line")].map((line) => line.textContent).join("\n");
  }

  function live(element, props, watch, again) {
    const advice = element.querySelector(".cg-advice");
    const act = advice.querySelector("[data-act=again]");
    act.addEventListener("click", () => again({ act: act.dataset.kind }));
    element.querySelector("[data-act=seed]").addEventListener("click", () => {
      const seed = element.querySelector("[data-f=seed]").textContent;
      const field = document.querySelector("#cg-seed input, #cg-seed textarea");
      if (/^\d+$/.test(seed)) { type(field, seed); field.focus(); }
    });
    const narrow = matchMedia("(max-width: 900px)").matches;
    element.querySelector(".cg-more").open = !narrow;  // where the code would not fit below
    let told = "";
    const line = element.querySelector("polyline");
    const area = element.querySelector("polygon");
    const svg = element.querySelector("svg");
    const box = svg.viewBox.baseVal;
    let busy = false;
    follow(props, watch, (value) => {
      setTexts(element, value);
      element.dataset.tone = value.tone;
      advice.hidden = !value.advice;
      act.hidden = !value.act;
      act.dataset.kind = value.act;
      if (line.getAttribute("points") !== value.plot) {
        line.setAttribute("points", value.plot);
        const first = value.plot.split(",")[0];
        area.setAttribute("points", value.plot ? `${first},${box.height} ${value.plot} ${box.width},${box.height}` : "");
      }
      const ended = value.busy ? "" : `, ${value.output} tokens in ${value.latency}`;
      const news = value.note || value.advice ? `${value.state}. ${value.note || value.advice}` : value.state + ended;
      const waits = /^(queued|loading)/.test(value.state);
      const word = !value.busy ? news : waits ? value.state : "generating";  // moving figures are not worth a word each
      if (word !== told && value.state !== "ready" && !value.field) announce(word);
      told = word;
      showProblem(value.field, value.problem);
      const stop = button("cg-stop");
      if (stop) stop.disabled = !value.busy;
      const begins = value.busy && !document.body.classList.contains("cg-busy");
      document.body.classList.toggle("cg-busy", Boolean(value.busy));
      if (begins && narrow) element.scrollIntoView({ block: "start" });
      if (busy && !value.busy) document.dispatchEvent(new CustomEvent("cg-ended", { detail: value }));
      busy = Boolean(value.busy);
    });
  }

  /* The message of a refused value stands at its field until that field changes or another run begins. */
  let refused = null;
  function showProblem(name, message) {
    if (refused) {
      refused.field.classList.remove("cg-bad");
      refused.input?.removeAttribute("aria-invalid");
      refused.input?.setAttribute("aria-describedby", refused.before);
      if (!refused.before) refused.input?.removeAttribute("aria-describedby");
      refused.note.remove();
      refused = null;
    }
    const field = name && byId("cg-" + (FIELDS[name] ?? name.replaceAll("_", "-")));
    if (!field) return;
    const note = Object.assign(document.createElement("p"), { className: "cg-field-error", textContent: message, id: "cg-problem" });
    note.setAttribute("role", "alert");
    field.append(note);
    field.classList.add("cg-bad");
    const input = field.querySelector("textarea, input");
    refused = { field, input, note, before: input?.getAttribute("aria-describedby") || "" };
    input?.setAttribute("aria-invalid", "true");
    input?.setAttribute("aria-describedby", `${note.id} ${refused.before}`.trim());
    input?.focus();
    field.addEventListener("input", () => showProblem(), { once: true });
  }

  function gallery(element, props, watch, pick, forget) {
    const make = (tag, fields) => Object.assign(document.createElement(tag), fields);
    const note = element.querySelector(".cg-describe");
    const describe = (example) => { note.textContent = `${example.title}: ${example.description}`; };
    const chip = (example) => {
      const { kind, index } = example;
      const chosen = make("button", { type: "button", className: "cg-chip" });
      chosen.dataset.chip = `${kind} ${index}`;
      chosen.append(make("b", { textContent: example.title }), make("small", { textContent: example.description }));
      chosen.setAttribute("aria-label", example.title);
      chosen.setAttribute("aria-description", example.description);
      chosen.addEventListener("click", () => pick({ kind, index }));
      for (const event of ["pointerenter", "focus", "click"]) chosen.addEventListener(event, () => describe(example));
      if (kind === "example") return chosen;
      const remove = make("button", { type: "button", className: "cg-forget", textContent: "×" });
      remove.dataset.chip = `forget ${index}`;
      remove.setAttribute("aria-label", `Forget ${example.title}`);
      remove.addEventListener("click", () => forget({ index }));
      const pair = make("span", { className: "cg-kept" });
      pair.append(chosen, remove);
      return pair;
    };
    let drawn = "";
    follow(props, watch, (value) => {
      const now = JSON.stringify(value.groups);
      if (now === drawn) return;
      drawn = now;
      const focused = element.contains(document.activeElement) ? document.activeElement.dataset.chip : "";
      element.querySelector(".cg-gallery").replaceChildren(...value.groups.map((group) => {
        const chips = make("div", { className: "cg-chips" });
        chips.append(...group.chips.map(chip));
        const part = make("div", { className: "cg-group" });
        part.setAttribute("role", "group");
        part.setAttribute("aria-label", group.name || "Examples");
        if (group.name) part.append(make("h2", { textContent: group.name }));
        part.append(chips);
        return part;
      }));
      if (!focused) return;
      // What was focused may be the example that was just forgotten: then the last one that is left takes the focus.
      const all = [...element.querySelectorAll("[data-chip]")];
      (all.find((found) => found.dataset.chip === focused) || all.at(-1))?.focus();
    });
  }

  function runs(element, props, watch, csv) {
    const download = element.querySelector("[data-act=csv]");
    const table = element.querySelector(".cg-table");
    download.addEventListener("click", () => csv({}));
    follow(props, watch, (value) => {
      download.disabled = !value.rows.length;
      table.hidden = !value.rows.length;
      element.querySelector(".cg-hint").hidden = Boolean(value.rows.length);
      fillRows(table, value.rows);
    });
  }

  function post(element, props, watch, reproduce, halt) {
    const act = (name) => element.querySelector(`[data-act=${name}]`);
    const table = element.querySelector(".cg-table");
    const chart = element.querySelector(".cg-chart");
    let files = {};
    act("reproduce").addEventListener("click", () => reproduce({ as_post: act("as-post").checked }));
    act("halt").addEventListener("click", () => halt({}));
    act("csv").addEventListener("click", () => save({ name: "blog_post.csv", text: files.csv }));
    act("svg").addEventListener("click", () => save({ name: "blog_post.svg", text: files.svg }));
    follow(props, watch, (value) => {
      setTexts(element, value);
      files = value;
      for (const name of ["reproduce", "as-post"]) act(name).disabled = Boolean(value.busy);
      act("halt").disabled = !value.busy;
      for (const name of ["csv", "svg"]) act(name).disabled = !value[name];
      table.hidden = !value.rows.length;
      fillRows(table, value.rows);
      chart.hidden = !value.svg;
      chart.alt = value.svg ? "Bar chart of the table's latency and throughput, here and in the post" : "";
      // As an image the drawing can neither run scripts nor load anything.
      if (value.svg) chart.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(value.svg);
    });
  }

  function fillRows(table, rows) {
    table.querySelector("tbody").replaceChildren(...rows.map((row) => {
      const tr = document.createElement("tr");
      tr.append(...row.map((cell) => Object.assign(document.createElement("td"), { textContent: cell, title: cell })));
      return tr;
    }));
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

  return { texts, meter, head, output, live, gallery, runs, post, verdicts, part, script, place, save, copy, flash, type, announce, button, editor, outputText };
})();
