// An answer while it is made, and then with its claims, what carries each, and what it took.

import { call, ended, follow, get, path } from "./api.js";
import {
  announce,
  between,
  duration,
  fill,
  folded,
  h,
  money,
  number,
  place as placeOf,
  problem,
  table,
  when,
  words,
} from "./dom.js";
import { openPassage } from "./passage.js";
import { progress } from "./progress.js";

export async function answer({ place, signal, parts: [jobId] }) {
  const heading = h("h1", { class: "question" }, "Answer");
  const about = h("p", { class: "dim" });
  const body = h("div", {});
  const run = h("div", {});
  fill(place, heading, about, body, run);
  const { request, score } = await get(path("requests", jobId), { signal });
  heading.textContent = request.question;
  document.title = `${request.question.slice(0, 60)} · OmniLake`;
  const drawn = progress(run, {
    signal,
    changed: (again) => {
      location.hash = `#/answers/${encodeURIComponent(again.job_id)}`;
    },
  });
  const job = await follow(
    jobId,
    (seen) => {
      drawn(seen);
      fill(
        about,
        [...new Set(request.archives)].join(", "),
        " · ",
        when(seen.created_at),
        ended(seen) && ` · ${duration(between(seen.created_at, seen.ended_at))}`,
      );
      if (!ended(seen)) announce(seen.state || seen.status.toLowerCase());
    },
    signal,
  );
  if (job.status !== "COMPLETED") {
    announce(`The request ${job.status.toLowerCase()}.`);
    return; // the progress shows why
  }
  const told = await get(path("answers", jobId), { signal });
  show(body, told, request, score);
  announce(told.status === "ABSTAINED" ? "No answer." : `Answered with ${told.claims.length} claims.`);
}

function show(place, told, request, score) {
  const again = `#/ask?${new URLSearchParams([["question", request.question], ...request.archives.map((each) => ["archive", each])])}`;
  fill(
    place,
    told.status === "ABSTAINED" && abstention(told),
    told.status === "QUOTED" &&
      h(
        "p",
        { class: "notice" },
        `It would take ${money(told.budget?.cost_usd)} and about ${duration(told.budget?.seconds ?? 0)}.`,
      ),
    told.status === "PROMPT" &&
      h("p", { class: "notice" }, "The assembled prompt was asked for; no answer was written."),
    told.claims.length > 0 && claims(told),
    told.citations.length > 0 && sources(told),
    warnings(told),
    h(
      "div",
      { class: "row" },
      h("a", { class: "button", href: again }, "Ask again, changed"),
      h("span", { class: "dim" }, cost(told)),
      h("span", { class: "grow" }),
      scoring(told.job_id, score),
    ),
    folded("What was read and what was left out", coverage(told.coverage), routes(told)),
    folded("What it took", ledger(told)),
    folded(
      "Versions",
      table(
        "Versions",
        ["What", "Version"],
        Object.entries(told.versions ?? {}).map(([name, version]) => [name, version]),
      ),
    ),
  );
}

/** What people think of the answer: right or not. */
function scoring(jobId, score) {
  const outcome = h("span", { class: "dim", role: "status" }, score ? `scored ${score.score}` : "");
  const give = (value, text) =>
    h(
      "button",
      {
        type: "button",
        onclick: async () => {
          try {
            await call("PUT", `${path("requests", jobId)}/score`, { body: { score: value } });
            fill(outcome, `scored ${value}`);
          } catch (error) {
            fill(outcome, problem(error));
          }
        },
      },
      text,
    );
  return h(
    "span",
    { class: "row", role: "group", "aria-label": "Was it right?" },
    "Was it right?",
    give(1, "Yes"),
    give(0, "No"),
    outcome,
  );
}

function cost(told) {
  const tokens = told.ledger.reduce((sum, line) => sum + line.input_tokens + line.output_tokens, 0);
  return `${money(told.cost_usd)} · ${number(tokens)} tokens`;
}

// --- claims --------------------------------------------------------------------------------------------------------

/** How a claim is carried: by how many documents, or contradicted by another. */
export function support(claim, citations) {
  const documents = new Set(claim.citations.map((each) => citations.get(each)?.entry_id ?? each)).size;
  if (claim.disputed) return { kind: "disputed", text: "Sources contradict one another" };
  if (documents > 1) return { kind: "many", text: `${documents} documents` };
  return { kind: "one", text: "1 document" };
}

function claims(told) {
  const citations = new Map(told.citations.map((each) => [each.number, each]));
  const sides = new Map();
  for (const claim of told.claims) if (claim.conflict) sides.set(claim.conflict, (sides.get(claim.conflict) ?? 0) + 1);
  const shown = told.claims.map((claim) => ({ ...claim, disputed: (sides.get(claim.conflict) ?? 0) > 1 }));
  return h(
    "section",
    { "aria-label": "Claims" },
    h(
      "ol",
      { class: "claims" },
      shown.map((claim) => claimItem(claim, citations, told)),
    ),
    h(
      "p",
      { class: "legend dim" },
      h("span", { class: "key many" }, "several documents say it"),
      h("span", { class: "key one" }, "one document says it"),
      h("span", { class: "key disputed" }, "documents contradict one another"),
      h("span", {}, "Every quote was found word for word in its document."),
    ),
  );
}

function claimItem(claim, citations, told) {
  const carried = support(claim, citations);
  return h(
    "li",
    { class: `claim ${carried.kind}` },
    h(
      "p",
      {},
      claim.text,
      " ",
      claim.citations.map((each) => citationButton(told, citations.get(each), each)),
    ),
    h("p", { class: "support" }, carried.text, claim.disputed && `: ${claim.conflict}`),
  );
}

function citationButton(told, citation, given) {
  const title = citation ? citation.title || citation.source : "";
  return h(
    "button",
    {
      type: "button",
      class: "cite",
      title,
      "aria-label": `Citation ${given}${title ? `: ${title}` : ""}`,
      onclick: (event) => openPassage(told, citation, event.currentTarget),
    },
    `[${given}]`,
  );
}

function sources(told) {
  return h(
    "section",
    { "aria-label": "Sources" },
    h("h2", {}, "Sources"),
    h(
      "ol",
      { class: "plain sources" },
      told.citations.map((citation) =>
        h(
          "li",
          {},
          citationButton(told, citation, citation.number),
          h(
            "div",
            {},
            h("strong", {}, citation.title || citation.source),
            h(
              "span",
              { class: "dim" },
              placeOf(citation).map((each) => ` · ${each}`),
            ),
            h("q", { class: "quote" }, citation.quote),
          ),
        ),
      ),
    ),
  );
}

function abstention(told) {
  return h(
    "section",
    { class: "card", "aria-label": "No answer" },
    h("h2", {}, "No answer: the archives do not hold one"),
    told.reasons.map((reason) => h("p", {}, reason)),
    told.nearest.length > 0 && h("h3", {}, "Nearest passages"),
    h(
      "ul",
      { class: "plain" },
      told.nearest.map((near) =>
        h(
          "li",
          {},
          h("strong", {}, near.title || near.source),
          h(
            "span",
            { class: "dim" },
            near.section && ` · ${near.section}`,
            near.similarity !== null && ` · similarity ${near.similarity.toFixed(2)}`,
          ),
          h("p", { class: "quote" }, near.text),
        ),
      ),
    ),
  );
}

function warnings(told) {
  const { coverage } = told;
  const failed = Object.entries(coverage.retrievers).filter(([, outcome]) => outcome !== "ok");
  const removed = Object.values(coverage.claims_removed).reduce((sum, count) => sum + count, 0);
  const lines = [
    ...failed.map(([name, code]) => `The retriever ${name} failed (${code}): what only it finds is missing.`),
    ...coverage.degraded.map((each) => `${words(each.step)} was done by ${each.to} (${each.reason}).`),
    coverage.groups_failed &&
      `${number(coverage.groups_failed)} of ${number(coverage.groups)} groups could not be read.`,
    removed &&
      `${number(removed)} ${removed === 1 ? "claim was" : "claims were"} removed: ${listed(coverage.claims_removed)}.`,
    told.written_back?.error &&
      `The answer was not kept in ${told.written_back.archive_id}: ${told.written_back.error.message}`,
  ].filter(Boolean);
  return (
    lines.length > 0 &&
    h(
      "div",
      { class: "notice warn" },
      h(
        "ul",
        {},
        lines.map((line) => h("li", {}, line)),
      ),
    )
  );
}

// --- what it took --------------------------------------------------------------------------------------------------

function listed(counted) {
  return Object.entries(counted)
    .map(([reason, count]) => `${number(count)} ${words(reason)}`)
    .join(", ");
}

function coverage(told) {
  const rows = [
    ["Chunks that matched", number(told.chunks_matched)],
    [
      "Chunks read",
      number(told.chunks_read) + (told.chunks_beside ? `, ${number(told.chunks_beside)} of them beside a match` : ""),
    ],
    ["Left out", listed(told.chunks_dropped) || "none"],
    [
      "Groups",
      told.groups
        ? `${number(told.groups)}, ${number(told.groups_remembered)} remembered, ${number(told.groups_failed)} failed`
        : "none were needed",
    ],
    ["Claims found", number(told.claims_found)],
    ["Claims removed", listed(told.claims_removed) || "none"],
  ];
  return table("Coverage", ["What", "How much"], rows);
}

function routes(told) {
  const rows = (told.routes ?? []).map((route) => [
    route.retriever,
    route.chosen ? (told.coverage.retrievers[route.retriever] ?? "chosen") : "not asked",
    [route.by, route.detail].filter(Boolean).join(": "),
  ]);
  return rows.length > 0 && table("Retrievers", ["Retriever", "Outcome", "Chosen by"], rows);
}

function ledger(told) {
  const sum = (name) => told.ledger.reduce((total, line) => total + (line[name] ?? 0), 0);
  const row = (line) => [
    number(line.calls),
    number(line.input_tokens),
    number(line.output_tokens),
    duration(line.seconds),
    money(line.cost_usd),
  ];
  const total = Object.fromEntries(
    ["calls", "input_tokens", "output_tokens", "seconds", "cost_usd"].map((name) => [name, sum(name)]),
  );
  return table(
    "Ledger",
    ["State", "Model", "Calls#", "Tokens in#", "Tokens out#", "Time#", "Cost#"],
    [
      ...told.ledger.map((line) => [
        line.state,
        [...new Set([line.provider, line.model])].filter(Boolean).join(" / "),
        ...row(line),
      ]),
      [h("strong", {}, "Total"), "", ...row(total)],
    ],
  );
}
