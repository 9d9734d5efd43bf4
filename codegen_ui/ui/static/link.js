/* Links to runs: made after one, opened on a page that waits for a click and then says whether the text is the same. */
import { pack, unpack } from "./codec.js";

export function start(element, fire) {
  const note = element.querySelector(".cg-note");
  const field = element.querySelector("input");
  const details = element.querySelector("details");
  let expected = null;
  document.addEventListener("cg-ended", () => {
    details.open = false;
    field.hidden = true;
    if (expected) setTimeout(() => fire.compare({ digest: expected }), 200);
    else note.textContent = "";
  });
  if (location.hash.startsWith("#run=")) open();

  async function open() {
    try {
      const run = await unpack(location.hash);
      expected = typeof run.digest === "string" ? run.digest : null;
      fire.fill(run);
    } catch (problem) {
      note.textContent = `${problem.message[0].toUpperCase()}${problem.message.slice(1)}.`;
    }
  }

  return async (value) => {
    if (!("note" in value)) return;
    note.textContent = value.note;
    if (value.same) element.dataset.same = value.same; else delete element.dataset.same;
    if (!value.run) return;
    const link = location.origin + location.pathname + location.search + await pack(value.run);
    field.value = link;
    field.hidden = false;
    field.focus();
    field.select();
    if (await codegenUI.copy(link)) note.textContent += " Copied.";
  };
}
