// What models have cost, by day, by kind of job, and the dearest jobs.

import { list } from "./api.js";
import { announce, choice, field, fill, h, money, number, problem, table, when, words } from "./dom.js";

const MOST = 2000; // jobs that are read
const DEAREST = 10;

export async function costs({ place, signal }) {
  const days = choice(
    [
      ["1", "a day"],
      ["7", "7 days"],
      ["30", "30 days"],
      ["90", "90 days"],
    ],
    "7",
  );
  const shown = h("div", {});
  fill(place, h("h1", {}, "Costs"), h("div", { class: "row" }, field("Of the last", days)), shown);
  let now = new AbortController();
  signal.addEventListener("abort", () => now.abort());
  const read = async () => {
    now.abort();
    now = new AbortController();
    fill(shown, h("p", { class: "dim" }, "Reading …"));
    const since = new Date(Date.now() - Number(days.value) * 86_400_000).toISOString();
    try {
      const { items, more } = await list("jobs", { query: { since }, most: MOST, signal: now.signal });
      draw(shown, items, more);
    } catch (error) {
      if (error.name !== "AbortError") fill(shown, problem(error));
    }
  };
  days.addEventListener("change", read);
  await read();
}

function draw(place, jobs, more) {
  const known = jobs.filter((job) => job.cost_usd !== null && job.cost_usd !== undefined);
  const total = sum(known);
  const byDay = grouped(known, (job) => job.created_at.slice(0, 10));
  const byKind = grouped(jobs, (job) => job.kind);
  const dearest = known
    .filter((job) => job.cost_usd > 0)
    .sort((one, other) => other.cost_usd - one.cost_usd)
    .slice(0, DEAREST);
  fill(
    place,
    h(
      "p",
      { class: "total" },
      h("strong", {}, money(total)),
      h("span", { class: "dim" }, ` for models, in ${number(jobs.length)} ${jobs.length === 1 ? "job" : "jobs"}`),
    ),
    more && h("p", { class: "notice warn" }, `Only the newest ${number(MOST)} jobs were read: the sum is of them.`),
    h(
      "p",
      { class: "dim" },
      "What is known of models alone: tokens at the configured prices. Lambda, Step Functions and storage stand in the account's bill.",
    ),
    byDay.length > 0 && h("h2", {}, "By day"),
    byDay.length > 0 && bars(byDay.map(([day, of]) => [day, sum(of)])),
    byKind.length > 0 && h("h2", {}, "By kind of job"),
    byKind.length > 0 &&
      table(
        "Cost by kind of job",
        ["Kind", "Jobs#", "Cost#", "Each#"],
        byKind.map(([kind, of]) => [words(kind), number(of.length), money(sum(of)), money(sum(of) / of.length)]),
      ),
    dearest.length > 0 && h("h2", {}, "The dearest"),
    dearest.length > 0 &&
      table(
        "The dearest jobs",
        ["Job", "Kind", "Started", "Cost#"],
        dearest.map((job) => [
          h("a", { class: "id", href: `#/jobs/${encodeURIComponent(job.job_id)}` }, job.job_id),
          words(job.kind),
          when(job.created_at),
          money(job.cost_usd),
        ]),
      ),
  );
  announce(`${money(total)} in ${jobs.length} jobs.`);
}

function bars(pairs) {
  const most = Math.max(...pairs.map(([, value]) => value));
  return h(
    "table",
    { class: "bars" },
    h("caption", { class: "unseen" }, "Cost by day"),
    h("thead", { class: "unseen" }, h("tr", {}, h("th", { scope: "col" }, "Day"), h("th", { scope: "col" }, "Cost"))),
    h(
      "tbody",
      {},
      pairs.map(([day, value]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, day),
          h("td", {}, h("meter", { min: 0, max: most || 1, value, "aria-hidden": "true" }), money(value)),
        ),
      ),
    ),
  );
}

function grouped(jobs, key) {
  const groups = new Map();
  for (const job of jobs) {
    const name = key(job);
    groups.set(name, [...(groups.get(name) ?? []), job]);
  }
  return [...groups].sort(([one], [other]) => (one < other ? -1 : 1));
}

function sum(jobs) {
  return jobs.reduce((total, job) => total + (job.cost_usd ?? 0), 0);
}
