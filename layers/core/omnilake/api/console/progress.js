// How far a job is: its states with their times, its counts, its graph, and what can be done about it.

import { ended, path, post } from "./api.js";
import { between, clock, duration, fill, folded, h, money, number, problem, table, words } from "./dom.js";
import { graph, states } from "./graph.js";

const BADGES = { COMPLETED: "good", FAILED: "bad", CANCELLED: "warn", RUNNING: "busy", PENDING: "busy" };
const RETRIED = new Set(["ingest_document", "ingest_collection", "reindex_archive", "answer_request"]);
const REDRIVEN = new Set(["ingest_collection", "reindex_archive", "remove_entries"]);

export function badge(status) {
  return h("span", { class: `badge ${BADGES[status] ?? ""}` }, status.toLowerCase());
}

/** Counts of a job for people: "groups 3 of 10, evidence 24". */
export function counts(job) {
  const told = job.progress ?? {};
  return Object.keys(told)
    .sort()
    .filter((name) => !(name.endsWith("_done") && name.slice(0, -5) in told))
    .filter((name) => told[name] !== 0 && !name.endsWith("_microdollars"))
    .map((name) => {
      const done = told[`${name}_done`];
      return done === undefined
        ? `${words(name)} ${number(told[name])}`
        : `${words(name)} ${number(Math.min(done, told[name]))} of ${number(told[name])}`;
    })
    .join(", ");
}

/** The share of a job that is done, 0 to 1, or null where its counts do not say. */
export function share(job) {
  const told = job.progress ?? {};
  const pair = Object.keys(told).find((name) => `${name}_done` in told && told[name] > 0);
  return pair ? Math.min(1, told[`${pair}_done`] / told[pair]) : null;
}

/** Draws a job into a place, each reading of it over the one before; `changed` gets the job that came of its retry. */
export function progress(place, { signal, changed, open = false }) {
  const head = h("div", { class: "row" });
  const steps = h("div", {});
  const error = h("div", {});
  const picture = h("div", {});
  const unfolded = folded("The execution as a graph", picture);
  unfolded.open = open;
  const section = h(
    "section",
    { class: "card", "aria-label": "Execution", hidden: true },
    head,
    error,
    h("div", { class: "run" }, steps, unfolded),
  );
  fill(place, section);
  let last = null;
  unfolded.addEventListener("toggle", () => last && unfolded.open && draw());

  async function draw() {
    try {
      await graph(picture, last);
    } catch (failure) {
      fill(picture, problem(failure));
    }
  }

  async function act(name, button) {
    button.disabled = true;
    try {
      const over = ended(last);
      const answer = await post(`${path("jobs", last.job_id)}/${name}`, undefined, { signal });
      fill(error);
      if (over) changed(answer); // else its next reading shows it
    } catch (failure) {
      if (failure.name === "AbortError") return;
      fill(error, problem(failure));
      button.disabled = false;
    }
  }

  return (job) => {
    last = job;
    section.hidden = false;
    const over = ended(job);
    const done = share(job);
    fill(
      head,
      badge(job.status),
      h("strong", {}, over ? "" : job.state || "Waiting to start"),
      h(
        "span",
        { class: "dim" },
        [
          counts(job),
          duration(between(job.created_at, job.ended_at)),
          over && job.cost_usd !== undefined && job.cost_usd !== null && money(job.cost_usd),
        ]
          .filter(Boolean)
          .join(" · "),
      ),
      !over && done !== null && h("progress", { max: 1, value: done, "aria-label": "Progress" }),
      h("span", { class: "grow" }),
      actions(job, act),
    );
    if (job.error)
      fill(
        error,
        h(
          "div",
          { class: "notice bad" },
          h("p", {}, h("strong", {}, job.error.message), " ", job.error.action),
          h("p", { class: "dim" }, job.error.code),
        ),
      );
    fill(steps, stateTable(job, over));
    if (unfolded.open) draw();
  };
}

/** States with their times; with tokens and money, where a ledger names them. */
function stateTable(job, over) {
  const visited = states(job);
  const ledger = job.ledger ?? [];
  const paid = (state) => ledger.filter((line) => line.state === state);
  const tokens = (lines) => lines.reduce((sum, line) => sum + line.input_tokens + line.output_tokens, 0);
  const cost = (lines) => lines.reduce((sum, line) => sum + line.cost_usd, 0);
  const rows = visited.map((each) => {
    const lines = paid(each.state);
    return [
      h("span", { class: `step ${each.status}` }, each.state, each.visits > 1 && ` ×${each.visits}`),
      clock(each.entered),
      each.status === "running" && !over ? "…" : duration(each.seconds),
      ...(ledger.length ? [lines.length ? number(tokens(lines)) : "", lines.length ? money(cost(lines)) : ""] : []),
    ];
  });
  const headings = ["State", "Entered#", "Took#", ...(ledger.length ? ["Tokens#", "Cost#"] : [])];
  return rows.length > 0 && table("States entered", headings, rows);
}

function actions(job, act) {
  const offer = (name, text) =>
    h("button", { type: "button", onclick: (event) => act(name, event.currentTarget) }, text);
  if (!ended(job)) return offer("cancel", "Cancel");
  if (job.status === "COMPLETED")
    return RETRIED.has(job.kind) && job.progress?.failed > 0 && offer("retry", "Retry what failed");
  return [
    REDRIVEN.has(job.kind) && job.status === "FAILED" && offer("redrive", "Go on where it ended"),
    RETRIED.has(job.kind) && offer("retry", "Retry"),
  ];
}
