// The execution of a job as a graph: the pictures in workflows.json (drawn from the state machines when the product is
// built), coloured by what the job has entered.

import { between, duration, fill, h, svg } from "./dom.js";

const COMPACTION = "compact_evidence";
const MACHINES = { reindex_archive: "ingest_collection" }; // kinds of jobs that another kind's machine runs
const PARTS = { Retrieve: "retrievers", "Ingest Batches": "planned_batches" }; // counts of what a Map goes through
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

/** States in the order in which a job entered them, those that it came back to once for each time. */
function visits(job) {
  const first = Object.entries(job.entered ?? {}).map(([state, at]) => ({ state, at }));
  const order = (one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0);
  return [...first.sort(order), ...(job.reentered ?? [])].sort(order);
}

/** States of a job in order of their first time, with the seconds of all their visits (so far, for the last). */
export function states(job) {
  const order = visits(job);
  const found = new Map();
  order.forEach(({ state, at }, index) => {
    const seconds = between(at, order[index + 1]?.at ?? job.ended_at);
    const told = found.get(state);
    if (told) Object.assign(told, { seconds: told.seconds + seconds, visits: told.visits + 1 });
    else found.set(state, { state, entered: at, status: statusOf(job, state), seconds, visits: 1 });
  });
  return [...found.values()];
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
  const before = [...place.querySelectorAll(".graph")];
  const held = before.map(({ scrollLeft, scrollTop }) => ({ left: scrollLeft, top: scrollTop }));
  const focused = before.indexOf(document.activeElement);
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
  // Drawn again it stays as it was looked at; at first the middle is shown, where the states of a narrow page stand.
  place.querySelectorAll(".graph").forEach((each, index) => {
    each.scrollTo(held[index] ?? { left: (each.scrollWidth - each.clientWidth) / 2 });
    if (index === focused) each.focus({ preventScroll: true });
  });
}

function picture(told, job, times, name) {
  const { status, taken } = run(told, job);
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
    told.ways.map((way) =>
      svg("path", {
        class: `way ${way.kind === "catch" ? "catch" : ""} ${taken.has(way) ? "taken" : ""}`,
        d: way.path,
        "marker-end": `url(#${arrow})`,
      }),
    ),
    told.boxes.map((box) => state(box, told.head, status.get(box.name), times.get(box.name))),
  );
}

function state(box, head, status, visit) {
  const middle = box.x + box.width / 2;
  const about = visit ? `${duration(visit.seconds)}${visit.visits > 1 ? ` ×${visit.visits}` : ""}` : box.type;
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
 * Status of every box, and the ways taken. Jobs record steps alone: between two that were entered one after the other the
 * job went the shortest way over what is not recorded (choices, waits), and from the last one to the end that it came to.
 * A box around one that was entered is as that one is, and the first of a Map is as the Map that was entered, unless the
 * job counts nothing that it went through.
 */
function run(told, job) {
  const status = new Map(told.boxes.map((box) => [box.name, statusOf(job, box.name)]));
  const around = (name) => told.boxes.filter((outer) => within(byName.get(name), outer)).map((outer) => outer.name);
  const byName = new Map(told.boxes.map((box) => [box.name, box]));
  const stops = visits(job).map((visit) => visit.state);
  if (job.status === "COMPLETED") stops.push(told.boxes.find((box) => box.type === "Succeed")?.name);
  const known = stops.filter((name) => byName.has(name));
  const taken = new Set();
  known.slice(1).forEach((to, index) => {
    const from = known[index];
    const shared = new Set(around(from).filter((name) => from !== to && around(to).includes(name)));
    const ends = (name) => new Set([name, ...around(name)].filter((each) => !shared.has(each)));
    const free = (name) => byName.get(name).type !== "Task" && !job.entered?.[name];
    const way =
      shortest(told.ways, ends(from), ends(to), free, (each) => each.kind !== "catch") ??
      (from === to ? null : shortest(told.ways, ends(from), ends(to), free, () => true));
    for (const each of way ?? []) {
      taken.add(each);
      for (const name of [each.from, each.to]) if (status.get(name) === "none") status.set(name, "done");
    }
  });
  for (const outer of told.boxes) {
    const boxes = told.boxes.filter((box) => within(box, outer));
    const inner = boxes.map((box) => status.get(box.name));
    const found = ["running", "failed", "done"].find((each) => inner.includes(each));
    if (!job.entered?.[outer.name]) {
      if (found) status.set(outer.name, found);
    } else if (!found && job.progress?.[PARTS[outer.name]] !== 0) {
      const top = Math.min(...boxes.map((box) => box.y));
      for (const box of boxes) if (box.y === top) status.set(box.name, status.get(outer.name));
    }
  }
  return { status, taken };
}

function within(inner, outer) {
  return (
    inner !== outer &&
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

/** The shortest chain of ways from one set of boxes to another over boxes that are free; null where there is none. */
function shortest(ways, from, to, free, open) {
  const chains = [...from].map((name) => ({ name, chain: [] }));
  const seen = new Set();
  for (const { name, chain } of chains) {
    for (const way of ways) {
      if (way.from !== name || seen.has(way) || !open(way)) continue;
      seen.add(way);
      if (to.has(way.to)) return [...chain, way];
      if (free(way.to)) chains.push({ name: way.to, chain: [...chain, way] });
    }
  }
  return null;
}
