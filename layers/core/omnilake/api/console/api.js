// The REST API. Addresses are relative to the page, so it works wherever it is served. The page holds no credential: what
// serves it signs (`omnilake console`).

const ENDED = new Set(["COMPLETED", "FAILED", "CANCELLED"]);
const RETRIES = 3;

/** A problem document (RFC 9457), or what stands for one when the answer is none. */
export class Problem extends Error {
  constructor(status, told) {
    super(told.detail ?? told.title ?? `The API answered ${status}.`);
    Object.assign(this, told, { status });
  }
}

/** A path from parts, each percent-encoded: ids and names may hold anything. */
export function path(...parts) {
  return parts.map((part) => encodeURIComponent(part)).join("/");
}

/**
 * The JSON that a route answers.
 *
 * Empty values of the query are left out. Reads, and what carries an Idempotency-Key, are tried again when the service
 * is busy.
 *
 * @param {string} method
 * @param {string} route below v1/
 * @param {{query?: object, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} options
 */
export async function call(method, route, { query = {}, body, headers = {}, signal } = {}) {
  const url = new URL(`v1/${route}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  const sent = { Accept: "application/json", ...headers };
  if (method === "POST") sent["Idempotency-Key"] ??= crypto.randomUUID();
  if (body !== undefined) sent["Content-Type"] = "application/json";
  for (let attempt = 0; ; attempt += 1) {
    const response = await reached(url, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    if (response.ok) return response.status === 204 ? null : response.json();
    const wait = Number(response.headers.get("Retry-After")) || 2 ** attempt;
    const busy = response.status === 429 || response.status === 503;
    const again = busy && attempt < RETRIES && (method === "GET" || method === "POST");
    if (!again) throw new Problem(response.status, await told(response));
    await pause(1000 * (wait + Math.random()), signal);
  }
}

async function reached(url, options) {
  try {
    return await fetch(url, { ...options, redirect: "error", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {
      title: "The API does not answer.",
      detail: "Is `omnilake console` still running, and this machine online?",
      code: "NOT_REACHED",
    });
  }
}

async function told(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (/^application\/(problem\+)?json/.test(type)) {
    const document = await response.json();
    if (document && typeof document === "object" && (document.title || document.detail)) return document;
    if (document?.message) return { title: document.message };
  }
  return { title: `The API answered ${response.status} ${response.statusText}`.trim() };
}

export const get = (route, options) => call("GET", route, options);
export const post = (route, body, options) => call("POST", route, { body, ...options });

/**
 * Items of a list, page by page, at most `most` of them.
 *
 * @param {string} route
 * @param {{query?: object, most?: number, signal?: AbortSignal}} options
 */
export async function list(route, { query = {}, most = 100, signal } = {}) {
  const items = [];
  let cursor = "";
  do {
    const page = await get(route, { query: { ...query, limit: Math.min(100, most - items.length), cursor }, signal });
    items.push(...page.items);
    cursor = page.next_cursor ?? "";
  } while (cursor && items.length < most);
  return { items, more: Boolean(cursor) };
}

export function ended(job) {
  return ENDED.has(job.status);
}

/** A job until it has ended: `tell` gets it whenever it has changed. */
export async function follow(jobId, tell, signal) {
  let seen = "";
  let pauseMs = 400;
  for (;;) {
    const job = await get(path("jobs", jobId), { signal });
    const state = JSON.stringify([job.status, job.state, job.entered, job.reentered, job.progress]);
    pauseMs = state === seen ? Math.min(3000, pauseMs * 1.3) : 400;
    if (state !== seen || ended(job)) tell(job);
    seen = state;
    if (ended(job)) return job;
    await pause(pauseMs, signal);
  }
}

/** Wait; ends with an AbortError when the signal says so. */
export function pause(milliseconds, signal) {
  return new Promise((/** @type {(value?: unknown) => void} */ resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("The page was left.", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** All archives, by id. */
export async function archives(signal) {
  const { items } = await list("archives", { most: 500, signal });
  return items.sort((one, other) => one.archive_id.localeCompare(other.archive_id));
}
