/* The checks of the run in progress, under the output: each with what became of it, in words. */
import { linesOf, run, score, verdict, words } from "./checks.js";

const MARKS = { passed: "✓", failed: "✗", error: "✗", timeout: "✗", unavailable: "–", broken: "–", skipped: "–" };
const SAYS = { passed: "passed", failed: "failed", unparsed: "does not parse", unavailable: "not possible here", none: "" };
let latest = 0;

export async function show(element, program, text) {
  const mine = ++latest;
  const checks = linesOf(text);
  const list = element.querySelector("ul");
  const state = element.querySelector("[data-f=score]");
  const again = element.querySelector("[data-act=again]");
  element.hidden = !checks.length;
  again.disabled = true;
  if (!checks.length) return;
  const items = checks.map((check) => {
    const item = document.createElement("li");
    const mark = Object.assign(document.createElement("b"), { textContent: "…" });
    mark.setAttribute("aria-hidden", "true");
    item.append(mark, Object.assign(document.createElement("code"), { textContent: check }), document.createElement("span"));
    return item;
  });
  list.replaceChildren(...items);
  tell("running", "running …", "");
  const draw = (item, result) => {
    item.dataset.state = result.state;
    item.firstChild.textContent = MARKS[result.state];
    item.lastChild.textContent = words(result);
  };
  try {
    const results = await run(program, checks, (step) => { if (mine === latest && step.index >= 0) draw(items[step.index], step); });
    if (mine !== latest) return;
    results.checks.forEach((result, index) => draw(items[index], result));
    const said = verdict(results);
    tell(said, `${score(results)} ${SAYS[said]}`, score(results));
  } catch (problem) {
    if (mine === latest) tell("unavailable", `the checks could not run: ${problem.message}`, "");
  }
  again.disabled = false;

  function tell(verdict, words, score) {
    element.dataset.state = verdict;
    element.dataset.checks = score;
    state.textContent = words;
  }
}
