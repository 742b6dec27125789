// Documents into an archive: the browser sends them to S3 by itself, then the page follows their ingestion.

import { archives, post } from "./api.js";
import { announce, bytes, choice, field, fill, folded, h, number, problem } from "./dom.js";
import { badge } from "./progress.js";
import { ingested, upload } from "./uploads.js";

const AT_A_TIME = 3;

export async function add({ place, signal, query }) {
  const known = await archives(signal);
  const NEW = "";
  const archive = choice(
    [...known.map((each) => [each.archive_id, each.archive_id]), [NEW, "New archive …"]],
    query.get("archive") ?? known[0]?.archive_id ?? NEW,
  );
  const name = h("input", {
    type: "text",
    pattern: "[a-z0-9][a-z0-9_\\-]{2,62}",
    maxlength: 63,
    autocomplete: "off",
    spellcheck: "false",
  });
  const description = h("input", { type: "text", maxlength: 1000 });
  const made = h(
    "div",
    { class: "options" },
    field("Id of the new archive", name, "3 to 63 small letters, digits, - and _."),
    field("Description", description),
  );
  const metadata = h("textarea", { rows: 3, placeholder: "team=sea", spellcheck: "false" });
  const files = h("input", { type: "file", multiple: true, class: "unseen", id: "files" });
  const drop = h(
    "label",
    { class: "drop", for: "files" },
    h("strong", {}, "Choose files"),
    h("span", { class: "dim" }, "or drop them here"),
  );
  const outcome = h("div", {});
  const rows = h("tbody", {});
  const shown = h(
    "div",
    { class: "scroll", hidden: true },
    h(
      "table",
      { class: "files" },
      h("caption", { class: "unseen" }, "Documents"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Document", "Size", "Progress", "Outcome"].map((each) => h("th", { scope: "col" }, each)),
        ),
      ),
      rows,
    ),
  );
  const settle = () => {
    made.hidden = archive.value !== NEW;
  };
  archive.addEventListener("change", settle);
  settle();
  fill(
    place,
    h("h1", {}, "Add documents"),
    h(
      "div",
      { class: "card" },
      field("Archive", archive),
      made,
      folded("Metadata", field("Of all these files", metadata, "One name=value a line.")),
      files,
      drop,
      outcome,
    ),
    shown,
  );
  files.addEventListener("change", () => {
    take([...files.files]);
    files.value = "";
  });
  for (const type of ["dragenter", "dragover"])
    drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });

  async function take(chosen) {
    fill(outcome);
    try {
      const target = archive.value === NEW ? await create() : archive.value;
      if (!target) return;
      const told = readMetadata(metadata.value);
      shown.hidden = false;
      const waiting = chosen.map((file) => ({ file, row: fileRow(file) }));
      rows.append(...waiting.map((each) => each.row.element));
      const worker = async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) await bring(target, next.file, told, next.row);
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    } catch (error) {
      if (error.name !== "AbortError") fill(outcome, problem(error));
    }
  }

  async function create() {
    if (!name.value || !name.checkValidity()) {
      fill(
        outcome,
        h(
          "p",
          { class: "notice bad" },
          "Give the new archive an id: 3 to 63 small letters, digits, hyphens and underscores.",
        ),
      );
      name.focus();
      return null;
    }
    const created = await post("archives", { archive_id: name.value, description: description.value }, { signal });
    archive.prepend(h("option", { value: created.archive_id }, created.archive_id));
    archive.value = created.archive_id;
    settle();
    return created.archive_id;
  }

  async function bring(target, file, told, row) {
    try {
      const sent = await upload(target, file, told, { signal, progress: row.sent });
      row.sent(1);
      row.tell("waits to be read");
      const outcome = await ingested(
        target,
        sent,
        (job) => row.tell(job.state ? job.state.toLowerCase() : "waits to be read"),
        signal,
      );
      row.end(outcome);
      announce(`${file.name}: ${outcome.status.toLowerCase()}`);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      row.fail(error);
      announce(`${file.name} failed: ${error.message}`);
    }
  }
}

/** A file's line in the table, and ways to change it. */
function fileRow(file) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `${file.name} sent` });
  const outcome = h("td", {}, h("span", { class: "dim" }, "waits"));
  const element = h(
    "tr",
    {},
    h("td", {}, file.name),
    h("td", { class: "number" }, bytes(file.size)),
    h("td", {}, bar),
    outcome,
  );
  const tell = (text) => fill(outcome, h("span", { class: "dim" }, text));
  return {
    element,
    tell,
    sent: (share) => {
      bar.value = share;
      if (share < 1) tell(`${Math.floor(share * 100)} % sent`);
    },
    end: (document) => {
      const job = h("a", { href: `#/jobs/${encodeURIComponent(document.job_id)}` }, "job");
      const what = document.error
        ? `${document.error.message} ${document.error.action ?? ""}`
        : document.chunks
          ? `${number(document.chunks)} ${document.chunks === 1 ? "chunk" : "chunks"}`
          : "";
      fill(outcome, badge(document.status), " ", what, " ", job);
    },
    fail: (error) =>
      fill(
        outcome,
        badge("FAILED"),
        " ",
        [error.detail ?? error.message, ...(error.errors ?? []).map((each) => `${each.field}: ${each.message}`)].join(
          " ",
        ),
      ),
  };
}

/** "name=value" lines as an object. */
function readMetadata(text) {
  const told = {};
  for (const line of text
    .split("\n")
    .map((each) => each.trim())
    .filter(Boolean)) {
    const at = line.indexOf("=");
    if (at < 1)
      throw Object.assign(new Error("metadata"), {
        title: "That is no metadata.",
        detail: "Write one name=value a line.",
      });
    told[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return told;
}
