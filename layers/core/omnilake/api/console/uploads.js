// Files to S3, straight from the browser, by addresses that the API has signed; then their ingestion.

import { call, ended, list, path, pause, post } from "./api.js";

const PARTS_AT_A_TIME = 3;
const ATTEMPTS = 3;
const FIRST_LOOK_MS = 600;
const LAST_LOOK_MS = 3000;

/**
 * Send one file. `progress` is told the share that is sent, 0 to 1. What can't be finished is given up at S3 as well.
 */
export async function upload(archive, file, metadata, { signal, progress }) {
  const started = new Date(Date.now() - 60_000).toISOString(); // clocks differ
  const before = new Set((await ingestions(archive, started, signal)).map((job) => job.job_id));
  const body = { name: file.name, bytes: file.size, media_type: file.type || "application/octet-stream", metadata };
  const told = await post(path("archives", archive, "uploads"), body, { signal });
  if (told.parts?.length) await sendParts(archive, told, file, { signal, progress });
  else await sendForm(told, file, { signal, progress });
  return { ...told, name: file.name, started, before };
}

async function sendForm(told, file, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(told.fields)) form.append(name, value);
  form.append("file", file); // S3 reads no field behind it
  await send("POST", told.url, form, options);
}

async function sendParts(archive, told, file, { signal, progress }) {
  const route = path("archives", archive, "uploads", told.upload_id);
  const sent = new Map();
  const tell = (number, share) => {
    sent.set(number, share * sizeOf(number));
    progress([...sent.values()].reduce((sum, each) => sum + each, 0) / file.size);
  };
  const sizeOf = (number) => Math.min(told.part_bytes, file.size - (number - 1) * told.part_bytes);
  const waiting = [...told.parts];
  const done = [];
  const worker = async () => {
    for (let part = waiting.shift(); part; part = waiting.shift()) {
      const { number, url } = part;
      const start = (number - 1) * told.part_bytes;
      const etag = await again(
        () =>
          send("PUT", url, file.slice(start, start + sizeOf(number)), {
            signal,
            progress: (share) => tell(number, share),
          }),
        signal,
      );
      done.push({ number, etag });
    }
  };
  try {
    await Promise.all(Array.from({ length: PARTS_AT_A_TIME }, worker));
    await post(`${route}/complete`, { parts: done.sort((one, other) => one.number - other.number) }, { signal });
  } catch (error) {
    waiting.length = 0;
    await call("DELETE", route).catch(() => {}); // S3's lifecycle gives up what is left; the first error is what matters
    throw error;
  }
}

async function again(attempt, signal) {
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (number === ATTEMPTS || error.name === "AbortError" || (error.status >= 400 && error.status < 500))
        throw error;
      await pause(500 * 2 ** number * (0.5 + Math.random()), signal);
    }
  }
}

/** A request to S3 with its progress, which fetch does not tell; the ETag of what was stored. */
function send(method, url, body, { signal, progress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    const failed = (detail) =>
      reject(Object.assign(new Error(detail), { title: "The file was not stored.", detail, status: request.status }));
    request.open(method, url);
    request.upload.addEventListener(
      "progress",
      (event) => event.lengthComputable && progress(event.loaded / event.total),
    );
    request.addEventListener("load", () =>
      request.status < 300
        ? resolve(request.getResponseHeader("ETag") ?? "")
        : failed(`S3 answered ${request.status}${codeIn(request.responseText)}.`),
    );
    request.addEventListener("error", () => failed("S3 can't be reached from this page."));
    request.addEventListener("abort", () => reject(new DOMException("The page was left.", "AbortError")));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", stop));
    signal.addEventListener("abort", stop, { once: true });
    request.send(body);
  });
}

function codeIn(text) {
  const code = /<Code>(\w+)<\/Code>/.exec(text ?? "");
  return code ? ` (${code[1]})` : "";
}

/** What became of a file that was sent: its document in the job that has read it. `tell` gets jobs that run meanwhile. */
export async function ingested(archive, sent, tell, signal) {
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(LAST_LOOK_MS, pauseMs * 1.3)) {
    for (const job of await ingestions(archive, sent.started, signal)) {
      if (sent.before.has(job.job_id)) continue;
      const own = (job.documents ?? []).find((each) => each.name === sent.name);
      if (ended(job) && own) return { ...own, job_id: job.job_id };
      if (!ended(job)) tell(job);
    }
    await pause(pauseMs, signal);
  }
}

async function ingestions(archive, since, signal) {
  const query = { kind: "ingest_document", archive_id: archive, since };
  return (await list("jobs", { query, most: 200, signal })).items;
}
