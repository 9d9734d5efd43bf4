/* The engine's lanes: a row a slot, a column a step. Kinds differ in shape as well as in shade; your own are framed. */
import { shape as draw } from "./shape.js";

const SIZE = 9, GAP = 1, ROW = 14, LEFT = 26;
const SAYS = { p: "prompt", d: "token", a: "accepted drafts" };

export function start(element, fire) {
  const details = element.querySelector("details");
  const place = element.querySelector(".cg-lanes");
  const join = element.querySelector(".cg-join");
  const svg = draw("svg", { role: "img" });
  place.append(svg);
  details.addEventListener("toggle", () => { if (!details.open) fire.close({}); else fire.take({}); });
  fire.take({});
  document.addEventListener("cg-ended", () => { if (details.open) setTimeout(() => { fire.take({}); fire.open(codegenUI.place()); }, 300); });

  function cell(kind, x, y) {
    const own = kind !== kind.toLowerCase();
    const name = kind.toLowerCase();
    const group = draw("g", { class: `cell-${name}${own ? " own" : ""}` });
    if (name === "p") group.append(draw("rect", { x: x + 1, y: y + 1, width: SIZE - 2, height: SIZE - 2, class: "hollow" }));
    else group.append(draw("rect", { x, y: name === "d" ? y + 3 : y, width: SIZE, height: name === "d" ? SIZE - 3 : SIZE }));
    if (own) group.append(draw("rect", { x, y: y - 1, width: SIZE, height: SIZE + 2, class: "frame" }));
    return group;
  }

  return (value) => {
    if (!value.rows) return;
    const width = LEFT + (value.rows[0]?.length ?? 0) * (SIZE + GAP), height = value.rows.length * ROW + 2;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const counts = {};
    const shapes = [];
    value.rows.forEach((row, lane) => {
      const y = lane * ROW + 3;
      shapes.push(draw("line", { x1: LEFT, x2: width, y1: y + SIZE, y2: y + SIZE, class: "idle" }));
      shapes.push(draw("text", { x: 0, y: y + SIZE }, lane + 1));
      [...row].forEach((kind, column) => {
        if (kind === ".") return;
        counts[kind.toLowerCase()] = (counts[kind.toLowerCase()] ?? 0) + 1;
        shapes.push(cell(kind, LEFT + column * (SIZE + GAP), y));
      });
    });
    svg.replaceChildren(...shapes);
    const said = Object.entries(counts).map(([kind, count]) => `${count} ${SAYS[kind]}`).join(", ");
    svg.setAttribute("aria-label", `${value.rows.length} lanes; in the steps shown: ${said || "nothing"}`);
    element.dataset.steps = value.steps;
    element.querySelector("[data-f=mean]").textContent = value.mean;
    element.querySelector(".cg-note").textContent = value.note;
    join.hidden = !value.qr;
    if (value.qr && !join.dataset.drawn) {
      // Made by the server from the address alone: squares, no text.
      join.firstElementChild.innerHTML = value.qr;
      join.firstElementChild.firstElementChild.setAttribute("role", "img");
      join.firstElementChild.firstElementChild.setAttribute("aria-label", "QR code of this page's address");
      join.lastElementChild.textContent = `Join from a phone: ${codegenUI.place().address}`;
      join.dataset.drawn = "1";
    }
  };
}
