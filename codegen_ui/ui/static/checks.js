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
  const texts = await Promise.all(Object.entries(PARTS).map(async ([part, name]) => {
    const answer = await fetch(here(name));
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return [part, await answer.text()];
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
    frame.contentWindow.postMessage(Object.fromEntries(texts), "*", [its]);
  });
}

/* The modules that a text imports by name: they are loaded before the clock starts. */
export function modulesOf(program) {
  const found = program.matchAll(/^[ \t]*(?:from[ \t]+(\w+)|import[ \t]+(\w+))/gm);
  return [...new Set([...found].map((match) => match[1] || match[2]))].sort();
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
   check's, and state is passed, failed, error, unavailable, timeout or broken. Resolves to all of them, one for each check. */
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
  const last = ran && ran.state !== "passed" ? ran : null;
  const filled = results.map((result, index) => {
    if (result) return { index, state: result.state, text: result.text };
    return last ? { index, state: last.state, text: last.text } : { index, state: "skipped", text: "" };
  });
  return filled;
}

/* A result in words. */
export function words({ state, text }) {
  if (state === "timeout") return `out of time (${SECONDS} s)`;
  if (state === "unavailable") return `cannot run in Brython: ${text}`;
  if (state === "broken") return `the checks could not run: ${text}`;
  if (state === "skipped") return "not run";
  return text ? `${state}: ${text}` : state;
}

/* What all checks say together: green, red, or grey where they could not run. */
export function verdict(results) {
  if (!results.length) return "none";
  if (results.every(({ state }) => state === "passed")) return "passed";
  return results.some(({ state }) => state === "unavailable" || state === "broken") ? "unavailable" : "failed";
}
