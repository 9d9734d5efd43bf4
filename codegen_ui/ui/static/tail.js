/* The tail: struck through, apart from the output, with what it cost. */
export function start(element, fire) {
  const details = element.querySelector("details");
  const note = element.querySelector(".cg-note");
  const pre = element.querySelector("pre");
  document.addEventListener("cg-ended", () => { details.open = false; draw({}); });

  function draw(value) {
    element.dataset.busy = value.busy ?? "";
    const cost = value.cost ? `${value.cost}${value.busy ? " so far" : ", all of it spared"}` : "";
    note.textContent = value.note || cost || (value.busy ? "running it again …" : "");
    pre.hidden = !value.text;
    pre.firstElementChild.textContent = value.text ?? "";
  }
  return draw;
}
