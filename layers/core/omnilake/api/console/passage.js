// A cited passage in the text of its document, with the quote marked.

import { get, path } from "./api.js";
import { fill, h, outward, place as placeOf, problem } from "./dom.js";

const MORE = 2000; // characters that one more reading shows

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("passage"));

/** Open the passage of a citation of an answer; focus goes back to what opened it. */
export async function openPassage(answer, citation, opener) {
  const title = h("h2", { id: "passage-title", tabindex: "-1" }, citation.title || citation.source);
  const text = h(
    "div",
    { class: "text", tabindex: "0", role: "region", "aria-label": "Text of the document" },
    h("p", { class: "dim" }, "Reading …"),
  );
  const foot = h("div", { class: "row" });
  fill(
    dialog,
    h("div", { class: "row top" }, title, h("button", { type: "button", onclick: () => dialog.close() }, "Close")),
    h("p", { class: "dim" }, [...placeOf(citation), `characters ${citation.start}–${citation.end}`].join(" · ")),
    text,
    foot,
  );
  dialog.addEventListener("close", () => opener?.focus(), { once: true });
  dialog.showModal();
  title.focus();
  try {
    const told = await get(path("answers", answer.job_id, "citations", citation.number));
    const archive = told.archive_id ?? (answer.archives.length === 1 ? answer.archives[0] : "");
    show({ text, foot }, citation, told, archive);
  } catch (error) {
    fill(text, problem(error));
  }
}

/**
 * The quote between what stands before and behind it. Offsets of the API count characters (code points), a script's
 * strings count UTF-16 units: so texts are arrays here.
 */
function show(place, citation, told, archive) {
  if (told.removed) {
    fill(
      place.text,
      h("p", {}, "The document was removed after the answer was given. It quoted:"),
      h("q", {}, citation.quote),
    );
    return;
  }
  const before = Array.from(told.before ?? "");
  const after = Array.from(told.after ?? "");
  const mark = h("mark", { tabindex: "-1" }, told.text);
  const draw = () => fill(place.text, before.join(""), mark, after.join(""));
  const more = (name, span, join) =>
    h(
      "button",
      {
        type: "button",
        onclick: async (event) => {
          const button = event.currentTarget;
          const [start, end] = span();
          button.disabled = true;
          try {
            const route = `${path("archives", archive, "entries", citation.entry_id)}/content`;
            const read = await get(route, { query: { version: citation.version, start, end } });
            const characters = Array.from(read.text);
            join(characters);
            draw();
            button.disabled = characters.length < MORE;
          } catch (error) {
            fill(problems, problem(error));
          }
        },
      },
      name,
    );
  const start = () => citation.start - before.length;
  const end = () => citation.end + after.length;
  const earlier = more(
    "More before",
    () => [Math.max(0, start() - MORE), start()],
    (characters) => before.unshift(...characters),
  );
  const later = more(
    "More after",
    () => [end(), end() + MORE],
    (characters) => after.push(...characters),
  );
  const problems = h("div", {});
  earlier.disabled = start() <= 0;
  fill(place.foot, archive && [earlier, later], told.url && outward(told.url, "Open the original"), problems);
  draw();
  mark.scrollIntoView({ block: "center" });
}
