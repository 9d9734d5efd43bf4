/* Recorded runs played again along their own token times, one or two at once. A token is shown when it was there, not
   earlier; nothing is spread or smoothed. */
import { shape as draft } from "./shape.js";

const WIDTH = 640, LEFT = 22, RIGHT = 16, ROW = 40, TOP = 10;
const KEPT = 8;
const PLAYER = `
<div class="cg-player">
  <p class="cg-finish" role="status"></p>
  <figure><svg role="img"></svg></figure>
  <div class="cg-controls">
    <button type="button" data-act="play">Play at 1×</button>
    <button type="button" data-act="back" aria-label="To the token before">◂ token</button>
    <button type="button" data-act="next" aria-label="To the next token">token ▸</button>
    <input type="range" min="0" max="1000" step="1" value="1000" aria-label="Time in the run">
    <output></output>
  </div>
  <div class="cg-controls">
    <label>Lane A <select data-lane="0"></select></label>
    <label>Lane B <select data-lane="1"></select></label>
    <label>Pace <select data-c="pace"><option value="1">1×, as measured</option><option value="0.5">½×</option>
      <option value="0.25">¼×</option><option value="0.1">1⁄10×</option></select></label>
    <label>Clock starts at <select data-c="from"><option value="arrival">the request</option>
      <option value="token">the first token</option></select></label>
  </div>
</div>`;

export const time = (seconds) => seconds < 1 ? `${(1000 * seconds).toFixed(seconds < 0.1 ? 1 : 0)} ms` : `${seconds.toFixed(2)} s`;

/* `show(lane, recording, text, done)` draws what a lane has at a moment; without a recording the lane is empty. */
export function player(parent, show) {
  parent.insertAdjacentHTML("beforeend", PLAYER);
  const root = parent.lastElementChild;
  const find = (selector) => root.querySelector(selector);
  const slider = find("input"), clock = find("output"), svg = find("svg"), play = find("[data-act=play]");
  const pickers = [...root.querySelectorAll("[data-lane]")];
  let recordings = [], lanes = [null, null], at = 0, frame = 0;
  root.hidden = true;

  const fromToken = () => find("[data-c=from]").value === "token";
  const offset = (recording) => fromToken() ? recording.pieces[0][0] : 0;
  const length = (recording) => recording.pieces.at(-1)[0] - offset(recording);
  const racing = () => lanes.filter(Boolean);
  const end = () => Math.max(...racing().map(length), 1e-6);
  const moments = () => racing().flatMap((one) => one.pieces.map(([when]) => when - offset(one))).sort((a, b) => a - b);

  function add(added, chosen) {
    for (const one of added) {
      if (!one.pieces.length || recordings.some(({ id }) => id === one.id)) continue;
      let text = "";
      one.texts = one.pieces.map(([, piece]) => (text += piece));
      recordings.push(one);
    }
    recordings = recordings.filter((one) => chosen.includes(one.id) || lanes.includes(one) || recordings.indexOf(one) >= recordings.length - KEPT);
    pickers.forEach((picker, lane) => {
      const none = lane ? [new Option("none", "")] : [];
      picker.replaceChildren(...none, ...recordings.map((one) => new Option(one.label, one.id)));
    });
    choose(chosen);
  }

  function choose(ids) {
    pause();
    lanes = [0, 1].map((lane) => recordings.find(({ id }) => id === ids[lane]) ?? null);
    pickers.forEach((picker, lane) => { picker.value = lanes[lane]?.id ?? ""; });
    root.hidden = !racing().length;
    if (root.hidden) return;
    at = end();
    picture();
    find(".cg-finish").textContent = finish();
    draw();
  }

  /* Who was there first, as it was measured. */
  function finish() {
    const [a, b] = lanes;
    if (!a || !b) return "";
    const [first, second] = [length(a), length(b)];
    const same = a.texts.at(-1) === b.texts.at(-1) ? "The texts are the same." : "Their texts differ, so only the times are raced.";
    const ahead = Math.abs(first - second);
    if (!ahead) return `A dead heat at ${time(first)}. ${same}`;
    const factor = Math.min(first, second) > 0 ? `, ${(Math.max(first, second) / Math.min(first, second)).toFixed(2)}× as fast` : "";
    return `${first < second ? "A" : "B"} is first by ${time(ahead)}${factor}: A ${time(first)}, B ${time(second)}. ${same}`;
  }

  const x = (seconds) => LEFT + seconds / end() * (WIDTH - LEFT - RIGHT);

  /* A lane a run, a tick a step of the engine, higher where it gave several tokens; a flag at the last. */
  function picture() {
    const shapes = [];
    lanes.forEach((one, lane) => {
      if (!one) return;
      const base = TOP + ROW * shapes.filter(({ tagName }) => tagName === "text").length + 24;
      const steps = new Map();
      for (const [when] of one.pieces) steps.set(when, (steps.get(when) ?? 0) + 1);
      shapes.push(draft("text", { x: 2, y: base, class: "name" }, "AB"[lane]));
      const group = draft("g", { class: `lane-${lane}` });
      group.append(draft("line", { x1: LEFT, x2: x(length(one)), y1: base, y2: base, class: "track" }));
      for (const [when, tokens] of steps) {
        const across = x(when - offset(one));
        group.append(draft("line", { x1: across, x2: across, y1: base, y2: base - 7 - 3 * Math.min(5, tokens - 1), class: "tick" }));
      }
      const flag = x(length(one));
      group.append(draft("path", { d: `M${flag},${base}v-24l9,5l-9,5`, class: "flag" }));
      shapes.push(group);
    });
    const height = TOP + ROW * racing().length + 12;
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    shapes.push(draft("text", { x: LEFT, y: height - 1 }, "0"), draft("text", { x: WIDTH - RIGHT, y: height - 1, "text-anchor": "end" }, time(end())));
    shapes.push(draft("line", { class: "cursor", y1: 2, y2: height - 12 }));
    svg.replaceChildren(...shapes);
    const says = lanes.map((one, lane) => one && `${"AB"[lane]}: ${one.pieces.length} tokens, the last after ${time(length(one))}`);
    svg.setAttribute("aria-label", `Tokens along time. ${says.filter(Boolean).join("; ")}`);
  }

  function draw() {
    const cursor = svg.querySelector(".cursor");
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, x(at));
    slider.value = Math.round(1000 * at / end());
    const said = lanes.map((one, lane) => {
      if (!one) { show(lane, null, "", true); return ""; }
      const count = one.pieces.filter(([when]) => when - offset(one) <= at + 1e-9).length;
      show(lane, one, count ? one.texts[count - 1] : "", count === one.pieces.length);
      return `${racing().length > 1 ? `${"AB"[lane]} ` : ""}${count} of ${one.pieces.length} tokens`;
    });
    clock.textContent = `${time(at)} · ${said.filter(Boolean).join(" · ")}`;
    slider.setAttribute("aria-valuetext", clock.textContent);
    root.dataset.at = at.toFixed(6);
    root.dataset.end = end().toFixed(6);
  }

  function pause() {
    cancelAnimationFrame(frame);
    frame = 0;
    root.dataset.playing = "";
    play.textContent = `Play at ${pace()}`;
  }

  const pace = () => find("[data-c=pace]").selectedOptions[0].textContent.split(",")[0];

  function go() {
    if (at >= end()) at = 0;
    const began = performance.now(), first = at, speed = Number(find("[data-c=pace]").value);
    play.textContent = "Pause";
    root.dataset.playing = "1";
    const move = (now) => {
      at = Math.min(end(), first + Math.max(0, now - began) / 1000 * speed);
      draw();
      if (at < end()) frame = requestAnimationFrame(move); else pause();
    };
    frame = requestAnimationFrame(move);
  }

  function step(forward) {
    pause();
    const all = moments();
    at = (forward ? all.find((when) => when > at + 1e-9) : all.findLast((when) => when < at - 1e-9)) ?? (forward ? end() : 0);
    draw();
  }

  play.addEventListener("click", () => frame ? pause() : go());
  find("[data-act=back]").addEventListener("click", () => step(false));
  find("[data-act=next]").addEventListener("click", () => step(true));
  slider.addEventListener("input", () => { pause(); at = slider.value / 1000 * end(); draw(); });
  find("[data-c=pace]").addEventListener("change", pause);
  find("[data-c=from]").addEventListener("change", () => choose(lanes.map((one) => one?.id)));
  for (const picker of pickers) picker.addEventListener("change", () => choose(pickers.map(({ value }) => value)));
  return { add, pause, restart: () => { pause(); at = 0; go(); }, hide: () => { pause(); root.hidden = true; }, get chosen() { return lanes.map((one) => one?.id); } };
}
