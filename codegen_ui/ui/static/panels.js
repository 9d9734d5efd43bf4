/* What the panels draw of a run: the model in the head, the output, the live figures, a refused value at its field. */
"use strict";
(() => {
  const { announce, button, byId, copy, flash, follow, outputText, save, script, setTexts, type } = window.codegenUI;
  const NEAR_BOTTOM = 24;
  /* Fields of a request whose element is not called as they are. */
  const FIELDS = { max_new_tokens: "max-length", stop: "stop-strings", model: "picker" };

  function head(element, props, watch, retry) {
    let stage = "";
    let kept = null;
    try { kept = localStorage.getItem("codegen-theme"); } catch (_) { /* private window */ }
    if (kept && !location.search.includes("__theme")) document.body.classList.toggle("dark", kept === "dark");
    element.querySelector(".cg-theme").addEventListener("click", () => {
      const dark = document.body.classList.toggle("dark");
      try { localStorage.setItem("codegen-theme", dark ? "dark" : "light"); } catch (_) { /* private window */ }
    });
    const present = () => script("presenter").then((module) => module.open());
    element.querySelector(".cg-present").addEventListener("click", present);
    if (/^#present(=|$)/.test(location.hash) || new URLSearchParams(location.search).has("present")) present();
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
    follow(props, watch, (lines) => {
      const another = lines.length < shown.length || lines[0] !== shown[0];
      const sticky = another || scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM;
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
      document.dispatchEvent(new Event("cg-drawn"));
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
    let ending = "";
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
      // A short run may come and go between two looks at it: then only its figures tell that it is another one.
      const end = value.busy ? "" : [value.state, value.latency, value.ttft, value.seed, value.output].join();
      const unseen = end !== ending && /^(done|stopped|failed)/.test(value.state);
      if (!value.busy && (busy || unseen)) document.dispatchEvent(new CustomEvent("cg-ended", { detail: value }));
      busy = Boolean(value.busy);
      ending = busy ? ending : end;
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

  Object.assign(window.codegenUI, { head, output, verdicts, live });
})();
