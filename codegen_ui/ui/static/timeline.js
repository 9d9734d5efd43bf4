/* A run's own steps: queue, prompt, then one bar a step as long as it took, higher where drafts were accepted. */
import { shape as draw } from "./shape.js";

const WIDTH = 640, HEIGHT = 76, BASE = 48;

export function start(element) {
  const box = element.querySelector(".cg-section");
  const figure = element.querySelector("figure");
  let value = {};
  element.querySelector("[data-act=json]").addEventListener("click", () => {
    codegenUI.save({ name: "codegen_timeline.json", text: JSON.stringify(value, null, 2) });
  });
  element.querySelector("[data-act=svg]").addEventListener("click", () => {
    codegenUI.save({ name: "codegen_timeline.svg", text: new XMLSerializer().serializeToString(figure.firstElementChild) });
  });
  return (given) => {
    value = given;
    box.hidden = !given.steps?.length;
    if (box.hidden) return;
    figure.replaceChildren(picture(given));
    const hits = given.accepted_tokens ? `, ${given.accepted_tokens} of ${given.drafted_tokens} drafts accepted` : "";
    element.querySelector("p").textContent = `Timeline of your last run: ${given.output_tokens} tokens in ${given.steps.length} steps${hits}${given.steps_forgotten ? "; its first steps are forgotten" : ""}.`;
  };
}

function picture(run) {
  const first = run.steps[0];
  const queue = run.queue_seconds ?? 0;
  const begin = -first.seconds - queue;
  const end = run.steps.at(-1).at;
  const x = (at) => 8 + (at - begin) / (end - begin) * (WIDTH - 16);
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "font-family": "sans-serif", "font-size": 11 });
  svg.setAttribute("aria-label", `Timeline: ${run.steps.length} steps in ${(end - begin).toFixed(2)} s, stopped by ${run.stopped_by}`);
  const colour = "currentColor";
  if (queue) svg.append(draw("rect", { x: x(begin), y: BASE - 4, width: Math.max(1, x(-first.seconds) - x(begin)), height: 4, fill: colour, opacity: 0.35 }));
  for (const step of run.steps) {
    const from = x(step.at - step.seconds), to = x(step.at);
    const height = step.prefill ? 12 : 12 + 6 * Math.min(5, step.accepted);
    const bar = { x: from, y: BASE - height, width: Math.max(0.6, to - from - 0.4), height };
    svg.append(draw("rect", step.prefill ? { ...bar, fill: "none", stroke: colour, "stroke-width": 0.8 } : { ...bar, fill: colour, opacity: step.accepted ? 1 : 0.6 }));
  }
  svg.append(draw("line", { x1: x(end), x2: x(end), y1: 6, y2: BASE, stroke: colour }));
  svg.append(draw("text", { x: 8, y: HEIGHT - 10, fill: colour }, `queue ${(1000 * queue).toFixed(0)} ms · hollow: prompt · higher: accepted drafts`));
  svg.append(draw("text", { x: WIDTH - 8, y: HEIGHT - 10, fill: colour, "text-anchor": "end" }, `${(end - begin).toFixed(2)} s, ${run.stopped_by}`));
  return svg;
}
