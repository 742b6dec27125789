// Elements and readable values. Data becomes text nodes only: nothing here, or elsewhere, parses data as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children. `on…` attributes are listeners; null, undefined and false leave an attribute
 * or child out.
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in element) element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...kept(children));
  return element;
}

function kept(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...kept(children));
  return element;
}

/** Tell people who can't see the page what has changed. */
export function announce(text) {
  const place = document.getElementById("announcer");
  if (place.textContent !== text) place.textContent = text;
}

/** A link for a browser: only http and https, so that no document's address runs a script. */
export function outward(address, ...children) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    return h("span", {}, children);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return h("span", {}, children);
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, children);
}

let fields = 0;

/** A labelled form field; `hint` stands below it and is read with it. */
export function field(label, control, hint = "") {
  const id = control.id || `field-${(fields += 1)}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

/** A select of [value, text] pairs. */
export function choice(options, value = "", attributes = {}) {
  const select = h(
    "select",
    attributes,
    options.map(([each, text]) => h("option", { value: each }, text)),
  );
  select.value = value;
  return select;
}

/** A table; the cells of columns whose heading ends in "#" are numbers. */
export function table(caption, headings, rows, attributes = {}) {
  const numeric = headings.map((each) => each.endsWith("#"));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      attributes,
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          headings.map((each, at) => h("th", { scope: "col", class: numeric[at] && "number" }, each.replace(/#$/, ""))),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell, at) => h("td", { class: numeric[at] && "number" }, cell)),
          ),
        ),
      ),
    ),
  );
}

/** Something that can be opened, closed at first. */
export function folded(summary, ...content) {
  return h("details", {}, h("summary", {}, summary), content);
}

/** What went wrong, with what to do. */
export function problem(error) {
  const fields = (error.errors ?? []).map((each) => h("li", {}, h("code", {}, each.field), `: ${each.message}`));
  return h(
    "div",
    { class: "notice bad", role: "alert" },
    h(
      "p",
      {},
      h("strong", {}, error.title ?? "That did not work."),
      " ",
      error.detail ?? String(error.message ?? error),
    ),
    fields.length > 0 && h("ul", {}, fields),
    error.code && h("p", { class: "dim" }, `${error.code}${error.instance ? ` · request ${error.instance}` : ""}`),
  );
}

export function number(value) {
  return Number(value ?? 0).toLocaleString("en");
}

/** Dollars: four places below a cent's tenth, so that small sums are not nothing. */
export function money(value) {
  if (value === null || value === undefined) return "–";
  const dollars = Number(value);
  return `$${dollars.toFixed(dollars !== 0 && dollars < 1 ? 4 : 2)}`;
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Seconds between two ISO times; until now where the second is empty. */
export function between(start, end = "") {
  return Math.max(0, ((end ? Date.parse(end) : Date.now()) - Date.parse(start)) / 1000);
}

export function when(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  const text = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return h("time", { datetime: iso, title: iso }, text);
}

/** The time of day, to the second. */
export function clock(iso) {
  return h("time", { datetime: iso, title: iso }, new Date(iso).toLocaleTimeString(undefined, { timeStyle: "medium" }));
}

/** "answer_request" and "groups_done" as words. */
export function words(name) {
  return name.replaceAll("_", " ");
}

/** Where a passage stands in its document: section, page, time, speaker. */
export function place(passage) {
  const time = passage.time_s;
  return [
    passage.section,
    passage.page ? `page ${passage.page}` : "",
    time !== null && time !== undefined
      ? `at ${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, "0")}`
      : "",
    passage.speaker,
  ].filter(Boolean);
}
