/* The sample grid: cards that stream, turn green or red by their checks as they end, and pass@k over them. */
import { linesOf, passAtK, rest, run, score, stop, verdict, warm, words } from "./checks.js";
import { curves } from "./curves.js";

const SAYS = { passed: "✓ passed", failed: "✗ failed", unparsed: "✗ does not parse", unavailable: "– checks not possible",
  none: "no checks", checking: "checking …" };
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text ?? "" });

export function start(element) {
  const head = element.querySelector(".cg-grid-head");
  const list = element.querySelector(".cg-cards");
  let shown = "", cards = [], judged = new Map(), checks = [];

  return (value) => {
    if (!value.run) return;
    if (value.run !== shown) begin(value);
    head.hidden = false;
    element.dataset.busy = value.busy;
    for (const field of element.querySelectorAll(":scope .cg-grid-head [data-f]")) field.textContent = value[field.dataset.f] ?? "";
    value.cards.forEach((card, at) => {
      cards[at] ||= add(at, value);
      draw(cards[at], card, value);
    });
    if (!value.busy) Promise.all([...judged.values()]).finally(() => { if (value.run === shown) { rest(); tell(); } });
    tell();
  };

  function begin(value) {
    shown = value.run;
    stop();
    cards = [];
    judged = new Map();
    checks = linesOf(document.querySelector("#cg-checks textarea")?.value ?? "");
    list.replaceChildren();
    // Loads Brython while the engine writes, so that the first card to end need not wait for it.
    warm(value.prompt).catch(() => {});
  }

  function add(at, value) {
    const item = make("li", "cg-card");
    item.dataset.sample = at;
    const top = make("div", "cg-card-top");
    const name = make("b", "", `#${at + 1}`);
    const same = make("span", "cg-same");
    const facts = make("span", "cg-card-facts");
    const state = make("span", "cg-card-state");
    top.append(name, same, facts, state);
    const code = make("pre", "");
    code.tabIndex = 0;
    code.setAttribute("role", "region");
    code.setAttribute("aria-label", `Completion of sample ${at + 1}`);
    const said = make("ul", "cg-card-checks");
    const foot = make("div", "cg-card-foot");
    const figures = make("span", "cg-hint");
    const go = make("button", "", "Continue this one");
    const keep = make("button", "", "Keep this seed");
    go.type = keep.type = "button";
    go.dataset.replaces = "prompt";
    go.disabled = true;
    foot.append(figures, go, keep);
    item.append(top, code, said, foot);
    list.append(item);
    const card = { at, item, same, facts, state, code, said, figures, go, text: "", ended: false, verdict: "" };
    go.addEventListener("click", () => {
      codegenUI.type(codegenUI.editor(), value.prompt + card.text);
      setTimeout(() => codegenUI.button("cg-generate").click(), 50);
      document.getElementById("cg-bench").scrollIntoView({ block: "start" });
    });
    keep.addEventListener("click", () => {
      codegenUI.type(document.querySelector("#cg-seed textarea, #cg-seed input"), card.seed);
      codegenUI.flash(keep, "Kept");
    });
    return card;
  }

  function draw(card, given, value) {
    card.seed = given.seed;
    card.temperature = given.temperature;
    if (card.text !== given.text) { card.text = given.text; card.code.textContent = given.text; card.code.scrollTop = card.code.scrollHeight; }
    card.facts.textContent = `seed ${given.seed} · t ${given.temperature}`;
    card.figures.textContent = given.figures + (given.why ? ` · ${given.why}` : "") + (given.note ? ` · ${given.note}` : "");
    if (card.ended) return;
    card.state.textContent = given.state;
    card.item.dataset.state = "running";
    if (!given.ended) return;
    card.ended = true;
    card.go.disabled = false;
    card.code.scrollTop = 0;
    judge(card, value);
  }

  /* Texts that are alike are judged once, and shown once. */
  async function judge(card, value) {
    const mine = shown;
    card.item.dataset.state = "checking";
    card.state.textContent = SAYS.checking;
    if (!judged.has(card.text)) judged.set(card.text, run(value.prompt + card.text, checks));
    gather();
    let results;
    try {
      results = await judged.get(card.text);
    } catch (problem) {
      card.state.textContent = `the checks could not run: ${problem.message}`;
      return;
    }
    if (mine !== shown) return;
    card.verdict = verdict(results);
    card.item.dataset.state = card.verdict;
    card.item.dataset.checks = checks.length ? score(results) : "";
    card.state.textContent = SAYS[card.verdict] + (checks.length && card.verdict !== "unparsed" ? ` ${score(results)}` : "");
    const bad = card.verdict === "unparsed" ? [["", results.program]] : results.checks.map((result, at) => [checks[at], result]);
    card.said.replaceChildren(...bad.filter(([, result]) => result.state !== "passed").slice(0, 4).map(([check, result]) => {
      const line = document.createElement("li");
      if (check) line.append(make("code", "", check));
      line.append(make("span", "", words(result)));
      return line;
    }));
    tell();
  }

  /* Of ended cards with the same text the first stays, with their number. */
  function gather() {
    const first = new Map();
    for (const card of cards) {
      if (!card.ended) continue;
      const key = `${card.temperature} ${card.text}`;
      if (!first.has(key)) { first.set(key, [card]); card.item.hidden = false; continue; }
      first.get(key).push(card);
      card.item.hidden = true;
    }
    for (const alike of first.values()) {
      const [card] = alike;
      card.same.textContent = alike.length > 1 ? `${alike.length}×` : "";
      card.same.title = alike.length > 1 ? `${alike.length} samples with this text, seeds ${alike.map(({ seed }) => seed).join(", ")}` : "";
    }
  }

  /* pass@k over the samples judged so far, for each temperature. */
  function tell() {
    const groups = new Map();
    for (const card of cards) {
      if (!groups.has(card.temperature)) groups.set(card.temperature, { total: 0, judged: 0, passed: 0, lost: 0 });
      const group = groups.get(card.temperature);
      group.total += 1;
      if (!card.verdict) continue;
      if (card.verdict === "unavailable") group.lost += 1;
      else { group.judged += 1; group.passed += card.verdict === "passed"; }
    }
    const line = element.querySelector(".cg-pass");
    const known = checks.length && [...groups.values()].every(({ lost }) => !lost);
    const texts = [], data = [];
    for (const [temperature, { total, judged: n, passed }] of known ? groups : []) {
      if (!n) continue;
      const percent = (k) => `${(100 * passAtK(n, passed, k)).toFixed(passed && passed < n && k < n ? 1 : 0)}%`;
      const name = groups.size > 1 ? `t ${temperature}: ` : "";
      const so = n < total ? `${n} of ${total} samples so far` : `${n} sample${n > 1 ? "s" : ""}`;
      texts.push(`${name}pass@1 ${percent(1)}${n > 1 ? ` · pass@${n} ${percent(n)}` : ""} · ${passed} of ${so} passed`);
      data.push({ temperature: Number(temperature), n, passed, at: Object.fromEntries([...Array(n).keys()].map((k) => [k + 1, passAtK(n, passed, k + 1)])) });
    }
    if (!checks.length) texts.push("No checks: type some above, or pick an example that has them, to see pass@k.");
    else if (!known) texts.push("These checks cannot run in a browser: a module is missing there.");
    const text = texts.join("\n");
    if (line.textContent !== text) line.textContent = text;
    const done = cards.length && cards.every(({ verdict }) => verdict);
    if (done && data.length) document.body.dataset.passAtK = JSON.stringify(data);
    else delete document.body.dataset.passAtK;
    const figure = element.querySelector(".cg-curves");
    figure.hidden = !data.some(({ n }) => n > 1);
    if (!figure.hidden) figure.replaceChildren(curves(data));
  }
}
