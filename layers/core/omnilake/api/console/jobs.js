// Jobs: what runs and what has run, and one of them in full.

import { ended, follow, list, path, pause } from "./api.js";
import {
  announce,
  between,
  choice,
  duration,
  field,
  fill,
  h,
  money,
  number,
  outward,
  problem,
  table,
  when,
  words,
} from "./dom.js";
import { badge, counts, progress } from "./progress.js";

const KINDS = [
  "ingest_document",
  "ingest_collection",
  "sync_source",
  "answer_request",
  "remove_entries",
  "reindex_archive",
];
const STATUSES = ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];
const EVERY_MS = 3000;
const SHOWN = 50;

export async function jobs({ place, signal, query }) {
  const filters = {
    kind: choice([["", "All kinds"], ...KINDS.map((each) => [each, words(each)])], query.get("kind") ?? ""),
    status: choice(
      [["", "All statuses"], ...STATUSES.map((each) => [each, each.toLowerCase()])],
      query.get("status") ?? "",
    ),
    archive_id: h("input", { type: "text", value: query.get("archive_id") ?? "", spellcheck: "false" }),
  };
  const shown = h("div", {});
  let now = new AbortController();
  fill(
    place,
    h("h1", {}, "Jobs"),
    h(
      "form",
      {
        class: "row",
        onsubmit: (event) => {
          event.preventDefault();
          again();
        },
      },
      field("Kind", filters.kind),
      field("Status", filters.status),
      field("Archive", filters.archive_id),
    ),
    shown,
  );
  const again = () => {
    const told = new URLSearchParams(
      Object.entries(filters)
        .map(([name, control]) => [name, control.value.trim()])
        .filter(([, value]) => value),
    );
    history.replaceState(null, "", `#/jobs${told.size ? `?${told}` : ""}`);
    now.abort();
    now = new AbortController();
    watch(now.signal);
  };
  for (const control of Object.values(filters)) control.addEventListener("change", again);
  signal.addEventListener("abort", () => now.abort());
  await watch(now.signal);

  async function watch(here) {
    try {
      for (;;) {
        const told = Object.fromEntries(Object.entries(filters).map(([name, control]) => [name, control.value.trim()]));
        const { items, more } = await list("jobs", { query: told, most: SHOWN, signal: here });
        draw(items, more);
        await pause(EVERY_MS, here);
      }
    } catch (error) {
      if (error.name !== "AbortError") fill(shown, problem(error));
    }
  }

  function draw(items, more) {
    const focused = document.activeElement?.getAttribute("href");
    fill(
      shown,
      items.length === 0 && h("p", { class: "dim" }, "There are no such jobs."),
      items.length > 0 &&
        table(
          "Jobs",
          ["Job", "Kind", "Status", "Archive", "Progress", "Started", "Took#", "Cost#"],
          items.map((job) => [
            h("a", { href: `#/jobs/${encodeURIComponent(job.job_id)}`, class: "id" }, job.job_id),
            words(job.kind),
            badge(job.status),
            h("span", { class: "name" }, job.archive_id || (job.archives ?? []).join(", ")),
            h(
              "span",
              { class: "dim said" },
              ended(job) ? (job.error?.code ?? counts(job)) : [job.state, counts(job)].filter(Boolean).join(": "),
            ),
            when(job.created_at),
            duration(between(job.created_at, job.ended_at)),
            money(job.cost_usd),
          ]),
        ),
      more && h("p", { class: "dim" }, `The newest ${SHOWN}.`),
    );
    if (focused)
      [...shown.querySelectorAll("a")]
        .find((link) => link.getAttribute("href") === focused)
        ?.focus({ preventScroll: true });
  }
}

export async function job({ place, signal, parts: [jobId] }) {
  const about = h("div", {});
  const run = h("div", {});
  const items = h("div", {});
  fill(place, h("h1", { class: "id" }, jobId), about, run, items);
  const drawn = progress(run, {
    signal,
    open: true,
    changed: (answer) => {
      const next = answer?.job_id;
      if (next && next !== jobId) location.hash = `#/jobs/${encodeURIComponent(next)}`;
      else watch();
    },
  });
  await watch();

  async function watch() {
    try {
      const last = await follow(
        jobId,
        (seen) => {
          drawn(seen);
          describe(seen);
        },
        signal,
      );
      announce(`The job ${last.status.toLowerCase()}.`);
      await showItems(last);
    } catch (error) {
      if (error.name !== "AbortError") fill(items, problem(error));
    }
  }

  function describe(seen) {
    const link = seen.links?.execution;
    fill(
      about,
      h(
        "p",
        { class: "dim" },
        [
          words(seen.kind),
          (seen.archives?.length ? seen.archives : [seen.archive_id]).join(", "),
          seen.started_by && `started by ${seen.started_by}`,
        ]
          .filter(Boolean)
          .join(" · "),
        " · ",
        when(seen.created_at),
      ),
      h(
        "p",
        { class: "row" },
        seen.kind === "answer_request" &&
          h("a", { href: `#/answers/${encodeURIComponent(seen.job_id)}` }, "The answer"),
        seen.parent_job_id &&
          h("a", { href: `#/jobs/${encodeURIComponent(seen.parent_job_id)}` }, "The job that it is a part of"),
        link ? outward(link, "The execution in Step Functions") : null,
      ),
    );
  }

  async function showItems(last) {
    if (last.kind === "answer_request") return;
    const { items: told, more } = await list(`${path("jobs", jobId)}/items`, { most: 200, signal });
    if (told.length === 0) return;
    fill(
      items,
      h("h2", {}, "Documents"),
      table(
        "Documents",
        ["Document", "Status", "Reason"],
        told.map((each) => [
          h("span", { class: "name" }, each.name ?? each.entry_id),
          badge(each.status),
          h("span", { class: "said" }, each.error ? `${each.error.message} ${each.error.action ?? ""}` : ""),
        ]),
      ),
      more && h("p", { class: "dim" }, `The first ${number(told.length)}.`),
    );
  }
}
