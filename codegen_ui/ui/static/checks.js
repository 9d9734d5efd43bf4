/* Runs a completion and its checks in the visitor's own browser: Brython in a worker, the worker in an iframe that has an
   opaque origin and may request nothing. Nothing of it is loaded before the first check. */
const SECONDS = 2;
const PARTS = { brython: "brython.js", library: "brython_stdlib.js", worker: "sandbox_worker.js", runner: "check_runner.py" };
const here = (name) => new URL(name, import.meta.url).href;
const jobs = new Map();
let opening = null;
let count = 0;

export const PROGRAM = -1;

/* The frame's port, once. A failure to load is the caller's to show, and the next call tries again. */
function open() {
  opening ||= load().catch((problem) => { opening = null; throw problem; });
  return opening;
}

async function load() {
  // Blobs are handed over by reference: megabytes that this thread never looks at.
  const files = await Promise.all(Object.entries(PARTS).map(async ([part, name]) => {
    const answer = await fetch(here(name));
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return [part, part === "runner" ? await answer.text() : await answer.blob()];
  }));
  const frame = Object.assign(document.createElement("iframe"), { src: here("sandbox.html"), hidden: true, title: "Sandbox of the checks" });
  frame.setAttribute("sandbox", "allow-scripts");
  frame.setAttribute("aria-hidden", "true");
  const { port1: port, port2: its } = new MessageChannel();
  await new Promise((loaded, failed) => {
    frame.addEventListener("load", loaded, { once: true });
    setTimeout(() => failed(new Error("the sandbox does not open")), 20000);
    document.body.append(frame);
  });
  return new Promise((opened) => {
    port.onmessage = ({ data }) => {
      if (data.open) opened(port);
      else if (data.end) jobs.get(data.id)?.end();
      else jobs.get(data.id)?.step(data);
    };
    frame.contentWindow.postMessage(Object.fromEntries(files), "*", [its]);
  });
}

/* The modules that a text imports by name, submodules among them: they are loaded before the clock starts. */
export function modulesOf(program) {
  const found = program.matchAll(/^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([^\n;#]+))/gm);
  const names = [...found].flatMap(([, one, several]) => one ?? several.split(",").map((name) => name.trim().split(/\s/)[0]));
  return [...new Set(names)].filter((name) => /^\w+(\.\w+)*$/.test(name)).sort();
}

/* Load Brython, and a first worker with what the prompt imports, so that the first checks need not wait. */
export async function warm(prompt) {
  (await open()).postMessage({ warm: modulesOf(prompt) });
}

/* No more checks are expected: a worker that was made ahead is let go. */
export async function rest() {
  if (opening) (await opening).postMessage({ rest: true });
}

/* End what runs and forget what waits. */
export async function stop() {
  if (opening) (await opening).postMessage({ stop: true });
}

/* Run `program`, then each of `checks`. `heard` is told of every step: {index, state, text}, where index is PROGRAM or a
   check's, and state is passed, failed, error, unavailable, timeout or broken. Resolves to {program, checks}: the program's
   own result and one for each check; where the program does not run, that is theirs too. */
export async function run(program, checks, heard = () => {}) {
  const port = await open();
  const id = ++count;
  const results = checks.map(() => null);
  let ran = null;
  await new Promise((end) => {
    jobs.set(id, { end, step: (step) => {
      if (step.index === PROGRAM) ran = step;
      else results[step.index] = step;
      heard({ index: step.index, state: step.state, text: step.text });
    } });
    port.postMessage({ id, program, checks, modules: modulesOf(program), seconds: SECONDS });
  });
  jobs.delete(id);
  const own = ran ? { state: ran.state, text: ran.text } : { state: "skipped", text: "" };
  const missing = own.state === "passed" ? { state: "skipped", text: "" } : own;
  return { program: own, checks: results.map((result) => result ? { state: result.state, text: result.text } : missing) };
}

/* A result in words. */
export function words({ state, text }) {
  if (state === "timeout") return `out of time (${SECONDS} s)`;
  if (state === "unavailable") return `cannot run in Brython: ${text}`;
  if (state === "broken") return `the checks could not run: ${text}`;
  if (state === "skipped") return "not run";
  return text ? `${state}: ${text}` : state;
}

/* What a run's checks say together: passed, failed, unparsed, unavailable where they could not run, or none. */
export function verdict({ program, checks }) {
  if (program.text.startsWith("SyntaxError")) return "unparsed";
  if (!checks.length) return "none";
  if (checks.every(({ state }) => state === "passed")) return "passed";
  return checks.some(({ state }) => state === "unavailable" || state === "broken") ? "unavailable" : "failed";
}

/* '3/4': how many of a run's checks passed. */
export const score = ({ checks }) => `${checks.filter(({ state }) => state === "passed").length}/${checks.length}`;

/* The chance that one of k samples passes, estimated from n of which c passed: 1 - C(n - c, k) / C(n, k), without bias and
   as a product, which does not overflow (Chen et al. 2021, 'Evaluating Large Language Models Trained on Code', section 2.1). */
export function passAtK(n, c, k) {
  if (n - c < k) return 1;
  let none = 1;
  for (let i = n - c + 1; i <= n; i += 1) none *= 1 - k / i;
  return 1 - none;
}

/* The checks of a text field: one a line, empty ones and comments left out. */
export const linesOf = (text) => text.split("\n").map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
