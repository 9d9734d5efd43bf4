/* Links to runs: made after one, opened on a page that waits for a click and then says whether the text is the same. */
const PREFIX = "#run=";
const MAX_PACKED = 60000, MAX_JSON = 400000;

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
  if (location.hash.startsWith(PREFIX)) open();

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

/* A run as the fragment of an address, which browsers send to nobody: JSON, deflated, in the letters that addresses take. */
async function through(bytes, stream, most) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const pieces = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) { reader.cancel(); throw new Error("this link holds too much"); }
    pieces.push(value);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

export async function pack(run) {
  const packed = await through(new TextEncoder().encode(JSON.stringify(run)), new CompressionStream("deflate-raw"), MAX_PACKED);
  let letters = "";
  for (let at = 0; at < packed.length; at += 8192) letters += String.fromCharCode(...packed.subarray(at, at + 8192));
  return PREFIX + btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/* What a fragment holds. Throws an Error with a message for the visitor where it holds no run. */
export async function unpack(fragment) {
  const letters = fragment.slice(PREFIX.length);
  if (!fragment.startsWith(PREFIX) || !/^[\w-]+$/.test(letters) || letters.length > 1.4 * MAX_PACKED) throw new Error("this is no link to a run");
  try {
    const packed = Uint8Array.from(atob(letters.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
    const run = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await through(packed, new DecompressionStream("deflate-raw"), MAX_JSON)));
    if (typeof run === "object" && run !== null && !Array.isArray(run)) return run;
  } catch (problem) {
    if (problem.message.includes("too much")) throw problem;
  }
  throw new Error("this link is damaged");
}
