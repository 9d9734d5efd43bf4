/* What the panels draw of many: the examples to click, the table of runs, the blog post's. */
"use strict";
(() => {
  const { follow, save, setTexts } = window.codegenUI;

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

  Object.assign(window.codegenUI, { gallery, runs, post });
})();
