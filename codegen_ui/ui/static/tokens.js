/* The token view: each token tinted by its probability, the five likeliest at a click, and a tree of what was chosen instead. */
const SHADES = 5;
const shown = (text) => text.replace(/\n/g, "⏎\n").replace(/\t/g, "→\t") || "∅";
const inLine = (text) => text.replace(/\n/g, "⏎").replace(/\t/g, "→") || "∅";
const percent = (p) => p === null ? "?" : p >= 0.9995 ? "100%" : p < 0.001 ? "< 0.1%" : `${(100 * p).toFixed(1)}%`;
/* 0 for a certain token to 4 for a wild guess: steps of lightness alone, which every eye can tell apart. */
const shade = (p) => p === null ? 0 : p > 0.9 ? 0 : p > 0.6 ? 1 : p > 0.3 ? 2 : p > 0.1 ? 3 : SHADES - 1;

export function start(element, fire) {
  const note = element.querySelector(".cg-note");
  const tree = element.querySelector(".cg-tree");
  const list = element.querySelector(".cg-tokens");
  const choices = element.querySelector(".cg-choices");
  const buttons = [];
  let branches, current, focused = 0;
  reset();

  document.addEventListener("cg-ended", () => {
    reset();
    if (element.querySelector("details").open) fire.open({ name: "0" });
  });

  function reset() {
    branches = [{ name: "0", parent: -1, at: 0, chosen: null, tokens: [], prompt: [], prefix: [] }];
    current = 0;
    choices.hidden = true;
    draw();
  }

  function draw() {
    const { prefix, tokens } = branches[current];
    const all = [...prefix, ...tokens];
    list.hidden = !all.length;
    while (buttons.length > all.length) { breaks(buttons.at(-1), false); buttons.pop().remove(); }
    all.forEach((token, at) => {
      const button = buttons[at] ??= list.appendChild(token_button());
      const text = shown(token.text);
      if (button.textContent !== text) button.textContent = text;
      breaks(button, text.endsWith("\n"));
      button.dataset.shade = shade(token.p);
      button.dataset.p = token.p ?? "";
      button.dataset.at = at;
      button.classList.toggle("branched", at === prefix.length - 1 && branches[current].parent >= 0);
      button.tabIndex = at === focused ? 0 : -1;
      button.setAttribute("aria-label", `${inLine(token.text)}, ${percent(token.p)}`);
      button.title = `${percent(token.p)}: ${token.top.map((one) => `${inLine(one.text)} ${percent(one.p)}`).join(", ")}`;
    });
    tree.hidden = branches.length < 2;
    tree.replaceChildren(...branches.map((branch, index) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.style.marginInlineStart = `${depth(branch) * 16}px`;
      button.textContent = branch.parent < 0 ? "as it was" : `└ token ${branch.at + 1}: ${inLine(branch.chosen.text)} (${percent(branch.chosen.p)})`;
      button.dataset.branch = index;
      button.setAttribute("aria-pressed", index === current);
      button.addEventListener("click", () => { current = index; choices.hidden = true; draw(); tree.children[index].focus(); });
      return button;
    }));
    element.dataset.branches = branches.length;
  }

  function depth(branch) { return branch.parent < 0 ? 0 : 1 + depth(branches[branch.parent]); }

  /* A button is a box: the line's end in it ends no line around it. */
  function breaks(button, wanted) {
    const after = button.nextElementSibling?.tagName === "BR" ? button.nextElementSibling : null;
    if (wanted && !after) button.after(document.createElement("br"));
    if (!wanted) after?.remove();
  }

  function token_button() {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.addEventListener("click", () => choose(Number(button.dataset.at)));
    return button;
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    focused = Math.max(0, Math.min(buttons.length - 1, Number(event.target.dataset.at) + step));
    for (const button of buttons) button.tabIndex = Number(button.dataset.at) === focused ? 0 : -1;
    buttons[focused].focus();
  });

  /* The likeliest tokens in the place of one. */
  function choose(at) {
    focused = at;
    const { prefix, tokens } = branches[current];
    const all = [...prefix, ...tokens];
    const token = all[at];
    const title = Object.assign(document.createElement("p"), { textContent: `Token ${at + 1}, the likeliest in its place:` });
    const options = token.top.map((one) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const same = one.id === token.id;
      button.append(Object.assign(document.createElement("code"), { textContent: inLine(one.text) }), ` ${percent(one.p)}${same ? ", chosen" : ""}`);
      button.disabled = same || one.id === null || Boolean(branches[current].busy) || !branches[0].prompt.length;
      button.addEventListener("click", () => {
        const before = all.slice(0, at);
        const name = String(branches.length);
        branches.push({ name, parent: current, at, chosen: one, tokens: [], prompt: [], prefix: [...before, { ...one, top: token.top }] });
        current = branches.length - 1;
        choices.hidden = true;
        draw();
        buttons[at].focus();
        element.dataset.busy = "1";
        fire.branch({ name, ids: [...branches[0].prompt, ...before.map(({ id }) => id), one.id] });
      });
      return button;
    });
    const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
    close.addEventListener("click", () => { choices.hidden = true; buttons[at]?.focus(); });
    choices.replaceChildren(title, ...options, close);
    choices.hidden = false;
    (options.find((option) => !option.disabled) ?? close).focus();
  }

  return (value) => {
    if (!("tokens" in value)) return;
    const branch = branches.find(({ name }) => name === (value.name || "0"));
    if (!branch) return;
    branch.tokens = value.tokens;
    branch.busy = value.busy;
    if (value.prompt.length) branch.prompt = value.prompt;
    element.dataset.busy = value.busy;
    note.textContent = value.note || (value.busy ? "running it again …" : "");
    draw();
  };
}
