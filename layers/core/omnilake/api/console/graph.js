// The execution of a job as a graph: the pictures in workflows.json (drawn from the state machines when the product is
// built), coloured by what the job has entered.

import { between, duration, fill, h, svg } from "./dom.js";

const COMPACTION = "compact_evidence";
const MACHINES = { reindex_archive: "ingest_collection" }; // kinds of jobs that another kind's machine runs
const SIGNS = { done: "✓", running: "●", failed: "✗", none: "" };

let pictures;

async function drawn() {
  pictures ??= fetch(new URL("console/workflows.json", document.baseURI)).then((response) => {
    if (!response.ok) {
      pictures = undefined;
      throw new Error("The pictures of the workflows can't be read.");
    }
    return response.json();
  });
  return pictures;
}

/** States of a job in order of their first time, with the seconds until the next one (so far, for the last). */
export function states(job) {
  const order = Object.entries(job.entered ?? {}).sort(([, one], [, other]) =>
    one < other ? -1 : one > other ? 1 : 0,
  );
  return order.map(([state, entered], at) => ({
    state,
    entered,
    status: statusOf(job, state),
    seconds: between(entered, order[at + 1]?.[1] ?? job.ended_at),
  }));
}

function statusOf(job, state) {
  if (!job.entered?.[state]) return "none";
  if (state !== job.state || job.status === "COMPLETED") return "done";
  return job.status === "RUNNING" || job.status === "PENDING" ? "running" : "failed";
}

/** Draw a job's graphs into a place: its own, and the compaction's when it was entered. */
export async function graph(place, job) {
  const all = await drawn();
  const inner = all[COMPACTION];
  const names = [MACHINES[job.kind] ?? job.kind];
  if (inner && job.kind === "answer_request" && inner.boxes.some((box) => job.entered?.[box.name]))
    names.push(COMPACTION);
  const times = new Map(states(job).map((each) => [each.state, each]));
  fill(
    place,
    names
      .filter((name) => all[name])
      .map((name) =>
        h(
          "div",
          { class: "graph", tabindex: "0", role: "region", "aria-label": `Graph of ${name}` },
          picture(all[name], job, times, name),
        ),
      ),
  );
}

function picture(told, job, times, name) {
  const status = statuses(told, job);
  const arrow = `arrow-${name}`;
  const counted = [...status.values()].filter((each) => each !== "none").length;
  return svg(
    "svg",
    {
      role: "img",
      "aria-label": `${name}: ${counted} of ${told.boxes.length} states entered. The table of states says the same.`,
      viewBox: `0 0 ${told.width} ${told.height}`,
      width: told.width,
      height: told.height,
    },
    svg(
      "defs",
      {},
      svg(
        "marker",
        { id: arrow, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
        svg("path", { d: "M0 0L8 4L0 8z", class: "tip" }),
      ),
    ),
    told.boxes
      .filter((box) => box.height > told.head)
      .map((box) => svg("rect", { class: "around", x: box.x, y: box.y, width: box.width, height: box.height, rx: 8 })),
    told.ways.map((way) => {
      const taken = status.get(way.from) !== "none" && status.get(way.to) !== "none" && way.kind !== "catch";
      return svg("path", {
        class: `way ${way.kind === "catch" ? "catch" : ""} ${taken ? "taken" : ""}`,
        d: way.path,
        "marker-end": `url(#${arrow})`,
      });
    }),
    told.boxes.map((box) => state(box, told.head, status.get(box.name), times.get(box.name))),
  );
}

function state(box, head, status, visit) {
  const middle = box.x + box.width / 2;
  const about = visit ? duration(visit.seconds) : box.type;
  return svg(
    "g",
    { class: `state ${status} ${box.type === "Choice" ? "choice" : ""}` },
    svg("title", {}, `${box.name} (${box.type})`),
    svg("rect", { x: box.x, y: box.y, width: box.width, height: head, rx: box.type === "Choice" ? head / 2 : 8 }),
    svg(
      "text",
      { x: middle, y: box.y + 19, "text-anchor": "middle" },
      box.name.length > 26 ? `${box.name.slice(0, 25)}…` : box.name,
    ),
    svg(
      "text",
      { class: "small", x: middle, y: box.y + 35, "text-anchor": "middle" },
      `${SIGNS[status]} ${about}`.trim(),
    ),
  );
}

/**
 * Status of every box. Jobs record tasks alone; a choice or map between two states that were entered was passed as well,
 * and a box around one that was entered is as that one is.
 */
function statuses(told, job) {
  const status = new Map(told.boxes.map((box) => [box.name, statusOf(job, box.name)]));
  const within = (inner, outer) =>
    inner !== outer &&
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height;
  for (const outer of told.boxes) {
    if (status.get(outer.name) !== "none") continue;
    const inner = told.boxes.filter((box) => within(box, outer)).map((box) => status.get(box.name));
    status.set(outer.name, ["running", "failed", "done"].find((each) => inner.includes(each)) ?? "none");
  }
  for (let again = true; again;) {
    again = false;
    for (const box of told.boxes) {
      if (status.get(box.name) !== "none") continue;
      const before = told.ways.some(
        (way) => way.to === box.name && way.kind !== "catch" && status.get(way.from) !== "none",
      );
      const after = told.ways.some(
        (way) => way.from === box.name && way.kind !== "catch" && status.get(way.to) !== "none",
      );
      if (before && after && box.type !== "Task") {
        status.set(box.name, "done");
        again = true;
      }
    }
  }
  return status;
}
