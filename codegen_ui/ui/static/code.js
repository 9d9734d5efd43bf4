/* View code: a tab for each program, with a button that copies it. Arrow keys go from tab to tab. */
const NAMES = { transformers: "transformers", curl: "curl", openai: "openai", gradio_client: "gradio_client" };

export function start(element, fire) {
  const tabs = element.querySelector("[role=tablist]");
  const details = element.querySelector("details");
  const note = element.querySelector(".cg-note");
  let chosen = "transformers", texts = {};

  const panel = document.createElement("div");
  panel.className = "cg-code";
  panel.setAttribute("role", "tabpanel");
  panel.id = "cg-code-panel";
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  const copy = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    codegenUI.flash(copy, await codegenUI.copy(texts[chosen] ?? "") ? "Copied" : "Not copied");
  });
  panel.append(copy, pre);
  note.before(panel);
  for (const [name, label] of Object.entries(NAMES)) {
    const tab = Object.assign(document.createElement("button"), { type: "button", textContent: label, id: `cg-code-${name}` });
    tab.dataset.name = name;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    tab.addEventListener("click", () => choose(name));
    tabs.append(tab);
  }
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const names = Object.keys(NAMES);
    choose(names[(names.indexOf(chosen) + step + names.length) % names.length]);
    tabs.querySelector("[aria-selected=true]").focus();
  });
  // After a run the code says what that run took.
  document.addEventListener("cg-ended", () => { if (details.open) setTimeout(() => fire.open(codegenUI.place()), 200); });

  function choose(name) {
    chosen = name;
    for (const tab of tabs.children) {
      const mine = tab.dataset.name === name;
      tab.setAttribute("aria-selected", mine);
      tab.tabIndex = mine ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `cg-code-${name}`);
    pre.setAttribute("aria-label", `Program with ${name}`);
    pre.setAttribute("role", "region");
    pre.textContent = texts[name] ?? "";
  }

  return (value) => {
    texts = value.snippets ?? {};
    note.textContent = value.note ?? "";
    panel.hidden = !Object.keys(texts).length;
    choose(chosen);
  };
}
