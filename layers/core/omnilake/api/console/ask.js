// The box that questions are asked in.

import { archives, get, list, path, post } from "./api.js";
import { announce, choice, field, fill, folded, h, money, number, duration, problem, when } from "./dom.js";

const RECENT = 6;
const OPERATORS = ["eq", "ne", "in", "lt", "le", "gt", "ge", "prefix"];
const STYLES = [
  ["concise", "Concise"],
  ["detailed", "Detailed"],
  ["steps", "Steps"],
];
const MODES = [
  ["EXCLUSIVE", "What matches the question"],
  ["INCLUSIVE", "Everything in the archives, up to the cap"],
];

export async function ask({ place, signal, query }) {
  const known = await archives(signal);
  const wanted = new Set(query.getAll("archive"));
  const question = h("textarea", {
    rows: 3,
    maxlength: 8000,
    required: true,
    id: "question",
    placeholder: "Who is on call this week?",
  });
  const chosen = h(
    "fieldset",
    { class: "pills" },
    h("legend", {}, "Archives"),
    known.map((archive, at) =>
      h(
        "label",
        { title: archive.description },
        h("input", {
          type: "checkbox",
          name: "archive",
          value: archive.archive_id,
          checked: wanted.size ? wanted.has(archive.archive_id) : at === 0 && known.length === 1,
        }),
        archive.archive_id,
      ),
    ),
    known.length === 0 &&
      h(
        "p",
        { class: "dim" },
        "There is no archive that you may read. ",
        h("a", { href: "#/add" }, "Add documents"),
        " to make one.",
      ),
  );
  const options = makeOptions();
  const outcome = h("div", { "aria-live": "polite" });
  const submit = h("button", { type: "submit", class: "main" }, "Ask");
  const quote = h("button", { type: "button", onclick: () => send("quote") }, "What would it take?");
  const form = h(
    "form",
    {
      class: "card ask",
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        send("answer");
      },
    },
    field(
      "Question",
      question,
      "Ctrl+Enter asks. Answers quote the documents word for word, or say that they hold none.",
    ),
    chosen,
    folded("Options", options.element),
    h("div", { class: "row" }, submit, quote),
    outcome,
  );
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send("answer");
    }
  });
  const recent = h("section", { "aria-label": "Recent questions" });
  fill(place, h("h1", {}, "Ask"), form, recent);
  if (query.get("question")) question.value = query.get("question");
  question.focus({ preventScroll: true });

  async function send(deliver) {
    const asked = [...chosen.querySelectorAll("input:checked")].map((box) => box.value);
    const missing = !question.value.trim()
      ? [question, "Ask something."]
      : asked.length === 0
        ? [chosen.querySelector("input"), "Choose an archive."]
        : null;
    if (missing) {
      fill(outcome, h("p", { class: "notice bad" }, missing[1]));
      missing[0]?.focus();
      return;
    }
    for (const button of [submit, quote]) button.disabled = true;
    fill(outcome, h("p", { class: "dim" }, deliver === "quote" ? "Reckoning …" : "Asking …"));
    try {
      const body = { archives: asked, question: question.value.trim(), ...options.read() };
      if (deliver === "quote") {
        const job = await post("requests", { ...body, deliver: "quote" }, { headers: { Prefer: "wait=20" }, signal });
        await showQuote(job);
      } else {
        const job = await post("requests", body, { signal });
        location.hash = `#/answers/${encodeURIComponent(job.job_id)}`;
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(outcome, problem(error));
    } finally {
      for (const button of [submit, quote]) button.disabled = false;
    }
  }

  async function showQuote(told) {
    const answer = told.budget === undefined ? await get(path("answers", told.job_id), { signal }) : told;
    const budget = answer.budget;
    const text = budget
      ? `${money(budget.cost_usd)}, about ${duration(budget.seconds)}: ${number(budget.calls)} model calls, ${number(budget.input_tokens)} tokens in and ${number(budget.output_tokens)} out, over ${number(budget.chunks)} chunks in ${number(budget.groups)} groups.`
      : (answer.reasons ?? []).join(" ") || "Nothing would be read: no evidence was found.";
    fill(outcome, h("p", { class: "notice", id: "quote" }, h("strong", {}, "It would take "), text));
    announce(`It would take ${text}`);
  }

  const before = await showRecent(recent, signal);
  if (!chosen.querySelector("input:checked")) {
    for (const box of chosen.querySelectorAll("input")) box.checked = before.includes(box.value);
  }
}

/** Questions of late; the archives that the newest was asked of. */
async function showRecent(place, signal) {
  const { items } = await list("jobs", { query: { kind: "answer_request" }, most: RECENT, signal });
  if (items.length === 0) return [];
  const asked = await Promise.all(
    items.map((job) =>
      get(path("requests", job.job_id), { signal }).then(
        (told) => told.request?.question,
        (error) => {
          if (error.name === "AbortError") throw error;
          return null; // not readable any more: the job still is
        },
      ),
    ),
  );
  fill(
    place,
    h("h2", {}, "Recent questions"),
    h(
      "ul",
      { class: "plain" },
      items.map((job, at) =>
        h(
          "li",
          {},
          h("a", { href: `#/answers/${encodeURIComponent(job.job_id)}` }, asked[at] ?? job.job_id),
          h("span", { class: "dim" }, " ", when(job.created_at), " ", job.status.toLowerCase()),
        ),
      ),
    ),
  );
  return items[0].archives ?? [];
}

function makeOptions() {
  const goal = h("input", { type: "text", maxlength: 4000 });
  const mode = choice(MODES, "EXCLUSIVE");
  const style = choice(STYLES, "concise");
  const asOf = h("input", { type: "text", maxlength: 40, placeholder: "2026-01-31, or v17" });
  const cost = h("input", { type: "number", min: 0, step: "any", inputmode: "decimal" });
  const evidence = h("input", { type: "number", min: 1, max: 10000, value: 24 });
  const claims = h("input", { type: "number", min: 1, max: 50, value: 6 });
  const tags = h("input", { type: "text", placeholder: "with commas between them" });
  const destination = h("input", { type: "text", maxlength: 200 });
  const filters = h("div", { class: "filters" });
  const another = h("button", { type: "button", onclick: () => addFilter(filters) }, "Add a filter");
  const element = h(
    "div",
    { class: "options" },
    field("Goal", goal, "What the answer is for."),
    field("Works over", mode),
    field("Style", style),
    field("As of", asOf, "A date, a time, or the version of a store."),
    field("Most money, dollars", cost, "What does not fit is done worse, and the answer says how."),
    field("Most chunks to read", evidence),
    field("Most claims", claims),
    field("Tags first", tags, "Documents with more of them are read first when it works over everything."),
    field("Keep the answer in archive", destination),
    h("fieldset", { class: "wide" }, h("legend", {}, "Filters"), filters, another),
  );
  const read = () => {
    const body = {
      mode: mode.value,
      style: style.value,
      evidence_limit: Number(evidence.value) || 24,
      max_claims: Number(claims.value) || 6,
    };
    if (goal.value.trim()) body.goal = goal.value.trim();
    if (asOf.value.trim()) body.as_of = asOf.value.trim();
    if (cost.value !== "") body.max_cost = Number(cost.value);
    if (tags.value.trim()) body.tags = split(tags.value);
    if (destination.value.trim()) body.destination_archive = destination.value.trim();
    const conditions = [...filters.children].map(readFilter).filter((each) => each.field);
    if (conditions.length) body.filters = conditions;
    return body;
  };
  return { element, read };
}

function addFilter(filters) {
  const row = h(
    "div",
    { class: "row" },
    h("input", {
      type: "text",
      "aria-label": "Field",
      placeholder: "source_type, page, metadata.team …",
      name: "field",
    }),
    choice(
      OPERATORS.map((each) => [each, each]),
      "eq",
      { "aria-label": "Operator", name: "operator" },
    ),
    h("input", { type: "text", "aria-label": "Value", placeholder: "value", name: "value" }),
    h("button", { type: "button", "aria-label": "Remove this filter", onclick: () => row.remove() }, "Remove"),
  );
  filters.append(row);
  row.firstElementChild.focus();
}

function readFilter(row) {
  const [name, operator, value] = ["field", "operator", "value"].map((each) =>
    row.querySelector(`[name=${each}]`).value.trim(),
  );
  const numeric = name === "page" || name === "time" || name.startsWith("column.");
  const typed = (text) => (numeric && text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
  return { field: name, operator, value: operator === "in" ? split(value).map(typed) : typed(value) };
}

function split(text) {
  return text
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
}
