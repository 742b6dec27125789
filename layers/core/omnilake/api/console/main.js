// Which view the address names. Each gets the place to draw into and a signal that ends with it.

import { add } from "./add.js";
import { answer } from "./answer.js";
import { ask } from "./ask.js";
import { costs } from "./costs.js";
import { fill, h, problem } from "./dom.js";
import { job, jobs } from "./jobs.js";

/** @type {[RegExp, (view: any) => unknown, string][]} */
const VIEWS = [
  [/^#\/ask$/, ask, "Ask"],
  [/^#\/answers\/([^/]+)$/, answer, "Answer"],
  [/^#\/add$/, add, "Add documents"],
  [/^#\/jobs$/, jobs, "Jobs"],
  [/^#\/jobs\/([^/]+)$/, job, "Job"],
  [/^#\/costs$/, costs, "Costs"],
];

const main = document.getElementById("main");
const passage = /** @type {HTMLDialogElement} */ (document.getElementById("passage"));
let leaving = new AbortController();

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [address, query = ""] = (location.hash || "#/ask").split("?");
  const [pattern, view, title] = VIEWS.find(([each]) => each.test(address)) ?? [/^/, missing, "Not found"];
  const parts = pattern.exec(address).slice(1).map(decodeURIComponent);
  document.title = `${title} · OmniLake`;
  for (const link of document.querySelectorAll("nav a")) {
    const here =
      link.getAttribute("href") ===
      (address.startsWith("#/answers") ? "#/ask" : address.split("/").slice(0, 2).join("/"));
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  passage.close();
  const place = h("div", { class: "view" });
  fill(main, place);
  window.scrollTo(0, 0);
  try {
    await view({ place, signal, parts, query: new URLSearchParams(query) });
  } catch (error) {
    if (error.name === "AbortError") return;
    place.append(problem(error));
  }
}

function missing(view) {
  fill(view.place, h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/ask" }, "Ask a question")));
}

window.addEventListener("hashchange", async () => {
  await Promise.resolve();
  show();
  main.focus({ preventScroll: true });
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
show();
