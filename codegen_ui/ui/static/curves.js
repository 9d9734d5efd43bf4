/* pass@k against k, a line for each temperature. Told apart by dash and mark, not by colour alone. */
import { shape as draw } from "./shape.js";

const WIDTH = 420, HEIGHT = 190, LEFT = 46, RIGHT = 64, TOP = 12, BOTTOM = 34;
const DASHES = ["", "7 4", "2 4", "9 3 2 3"];
const MARKS = [
  (x, y) => ["circle", { cx: x, cy: y, r: 3.5 }],
  (x, y) => ["rect", { x: x - 3.2, y: y - 3.2, width: 6.4, height: 6.4 }],
  (x, y) => ["path", { d: `M${x},${y - 4.4}l4.2,7.4h-8.4z` }],
  (x, y) => ["path", { d: `M${x},${y - 4.6}l4.6,4.6l-4.6,4.6l-4.6,-4.6z` }],
];

/* `data` has {temperature, n, at: {k: estimate}} for each line. */
export function curves(data) {
  const most = Math.max(...data.map(({ n }) => n));
  const x = (k) => LEFT + (most > 1 ? (k - 1) / (most - 1) : 0) * (WIDTH - LEFT - RIGHT);
  const y = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const says = data.map(({ temperature, n, at }) => `t ${temperature}: ${(100 * at[1]).toFixed(0)}% at 1, ${(100 * at[n]).toFixed(0)}% at ${n}`);
  svg.setAttribute("aria-label", `pass@k against k. ${says.join("; ")}`);
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share), class: "grid" }));
    svg.append(draw("text", { x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}%`));
  }
  const step = Math.ceil(most / 8);
  for (let k = 1; k <= most; k += step) svg.append(draw("text", { x: x(k), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, k));
  svg.append(draw("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, "k, number of samples"));
  const labels = [];
  data.forEach(({ temperature, n, at }, index) => {
    const group = draw("g", { class: `line line-${index}` });
    const points = [...Array(n).keys()].map((k) => [x(k + 1), y(at[k + 1])]);
    group.append(draw("polyline", { points: points.map((point) => point.join(",")).join(" "), "stroke-dasharray": DASHES[index % 4] }));
    for (const point of points) group.append(draw(...MARKS[index % 4](...point)));
    svg.append(group);
    labels.push([points.at(-1)[1], `t ${temperature}`, index]);
  });
  // Labels of lines that end together stand one below the other.
  let free = -Infinity;
  for (const [at, text, index] of labels.sort((a, b) => a[0] - b[0])) {
    const place = Math.max(at, free);
    free = place + 14;
    svg.append(draw(...MARKS[index % 4](WIDTH - RIGHT + 12, place)));
    svg.append(draw("text", { x: WIDTH - RIGHT + 22, y: place + 4 }, text));
  }
  return svg;
}
