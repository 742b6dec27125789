"""Section retrieval: does the evidence that an answer is made of hold what is relevant?

Sets are folders of BEIR's format: ``corpus.jsonl`` (``_id``, ``title``, ``text``), ``queries.jsonl`` (``_id``,
``text``), ``qrels/test.tsv``; for instance SciFact (https://github.com/allenai/scifact, CC BY 4.0) and Cranfield.

omnilake             the deployed path: the corpus through ``ingest_collection``; each query as a search of an embedded
                     cloud (as ``POST /v1/search`` submits it), through router, retrievers and fusion; the ranking is
                     what Fuse Evidence hands on, an entry at its best chunk. Its time is from the start of Plan
                     Retrieval to the end of Fuse Evidence, in the execution's history, one request at a time.
bm25                 bm25s with Snowball stemming, its defaults (Lucene's BM25)
dense                cosine of the same embedder's vectors, one a document
llama_index_dense    VectorStoreIndex over the same vectors
llama_index_hybrid   QueryFusionRetriever (reciprocal rank) of that and its BM25 retriever
haystack_dense       InMemoryEmbeddingRetriever over the same vectors
haystack_hybrid      DocumentJoiner (reciprocal rank fusion) of that and its BM25 retriever

Documents of the others are title and text in one, uncut (the embedder reads the first 256 tokens); their times hold the
embedding of the query and a search in this process's memory.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import report
from benchmarks.ranking import ndcg, recall

if TYPE_CHECKING:
    from benchmarks.answers import Run

SYSTEMS = ("bm25", "dense", "llama_index_dense", "llama_index_hybrid", "haystack_dense", "haystack_hybrid")
EVIDENCE = 50
"""Chunks that are asked for: enough for ten entries."""

RETRIES = 2
"""How often what failed of an ingestion is tried again."""

TIMED = 30
"""Queries that are asked one at a time and timed; the others run two at a time."""


class LabelledSet(NamedTuple):
    """A set of queries with the documents that are relevant to them."""

    name: str
    folder: Path
    queries: dict[str, str]
    relevant: dict[str, dict[str, int]]


class Ranked(NamedTuple):
    """What a system found for a query."""

    documents: list[str]
    milliseconds: float | None


def measure(run: Run) -> dict[str, Any]:
    """Figures of each set, by system."""
    figures: dict[str, Any] = {}
    for labelled in labelled_sets(run.data, run.sets, run.queries):
        run.say(f"{labelled.name}: {len(labelled.queries)} queries")
        measured = {"omnilake": _scored(labelled, ours(run, labelled))}
        versions = {}
        for system, told in _peers(run, labelled).items():
            measured[system] = _scored(labelled, {each: Ranked(*found) for each, found in told["rankings"].items()})
            versions[system] = told["version"]
        figures[labelled.name] = {"queries": len(labelled.queries), "systems": measured, "versions": versions}
        _print(labelled, measured, versions)
    if not figures:
        run.say("no set of BEIR's format here (corpus.jsonl, queries.jsonl, qrels/test.tsv)")
    return {"retrieval": figures}


def labelled_sets(data: Path, names: Sequence[str], most: int | None) -> Iterator[LabelledSet]:
    """The sets of BEIR's format among the folders of ``data``."""
    for qrels in sorted(data.glob("*/qrels/test.tsv")):
        folder = qrels.parents[1]
        if names and folder.name not in names:
            continue
        relevant: dict[str, dict[str, int]] = {}
        for line in qrels.read_text().splitlines()[1:]:
            query, document, grade = line.split("\t")
            relevant.setdefault(query, {})[document] = int(grade)
        with (folder / "queries.jsonl").open() as lines:
            texts = {told["_id"]: told["text"] for told in map(json.loads, lines)}
        chosen = [query for query in sorted(relevant) if query in texts][:most]
        yield LabelledSet(
            folder.name, folder, {each: texts[each] for each in chosen}, {each: relevant[each] for each in chosen}
        )


# --- the deployed path --------------------------------------------------------------------------------------------


def ours(run: Run, labelled: LabelledSet) -> dict[str, Ranked]:
    """What the deployed stack finds for each query."""
    archive_id = _ingested(run, labelled)
    names = _names(run, archive_id)
    queries = list(labelled.queries.items())
    found: dict[str, Ranked] = {}

    def ask(query: tuple[str, str]) -> tuple[str, Ranked]:
        return query[0], _asked(run, archive_id, names, query[1])

    for query in queries[:TIMED]:
        found |= [ask(query)]
    run.say(f"{labelled.name}: {len(found)} asked one at a time")
    with ThreadPoolExecutor(2) as pool:
        for identity, ranked in pool.map(ask, queries[TIMED:]):
            found[identity] = ranked._replace(milliseconds=None)
            if len(found) % 50 == 0:
                run.say(f"{labelled.name}: {len(found)} of {len(queries)} asked")
    return found


def _ingested(run: Run, labelled: LabelledSet) -> str:
    """Archive of the set's corpus, ingested unless an earlier run of the same cloud has done that.

    What fails is tried again, as an operator would: on a busy machine a state may pass its time limit.
    """
    from benchmarks.ingest import documents
    from omnilake import aws

    corpus = labelled.folder / "corpus.jsonl"
    archive_id = f"{labelled.name.lower()}-{hashlib.sha256(corpus.read_bytes()).hexdigest()[:8]}"
    bucket = run.deployment.outputs["LandingBucket"]
    landing, mark = aws.ObjectStore(bucket), f"lists/{archive_id}.ingested.json"
    marked = landing.find(mark)
    if marked is not None:
        run.say(f"{labelled.name}: {json.loads(marked)['documents']} documents are there from an earlier run")
        return archive_id
    records = _with_text(list(documents(labelled.folder, 10_000_000)))
    run.say(f"{labelled.name}: {len(records)} documents are ingested …")
    run.deployment.create_archive(archive_id)
    manifest = f"lists/{archive_id}.jsonl"
    landing.write(manifest, "\n".join(map(json.dumps, records)).encode())
    job_id, missing = run.deployment.start_collection(archive_id, manifest=f"s3://{bucket}/{manifest}"), len(records)
    for again in range(RETRIES + 1):
        job = run.deployment.wait(job_id, timeout_s=7_200)
        missing -= job.progress.get("completed", 0)
        if missing <= 0:
            landing.write(mark, json.dumps({"documents": len(records)}).encode())
            return archive_id
        if again < RETRIES:
            run.say(f"{labelled.name}: {missing} documents once more …")
            job_id = run.deployment.retry(job_id)
    raise SystemExit(f"{archive_id}: {missing} documents are missing. {job.status} {job.progress} {job.error}")


def _with_text(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records that have some text: a document without any can't be ingested (Cranfield has two)."""
    return [each for each in records if each["text"].strip()]


def _names(run: Run, archive_id: str) -> dict[str, str]:
    """Record id of each entry, by entry id."""
    from omnilake.models import DocumentStatus

    statuses = [DocumentStatus.COMPLETED, DocumentStatus.DUPLICATE]
    return {each["entry_id"]: each["name"] for each in run.deployment.entries(archive_id, statuses)}


def _asked(run: Run, archive_id: str, names: dict[str, str], question: str) -> Ranked:
    from omnilake import aws, layout
    from omnilake.answering.parts import FusedEvidence
    from omnilake.models import Deliverable, JobStatus

    deployment = run.deployment
    job_id = deployment.submit(archive_id, question, evidence_limit=EVIDENCE, deliver=Deliverable.EVIDENCE)
    job = deployment.wait(job_id, timeout_s=300)
    if job.status is not JobStatus.COMPLETED:
        raise SystemExit(f"{job_id}: {job.status} {job.error}")
    lake = aws.ObjectStore(deployment.outputs["LakeBucket"])
    fused = lake.read_model(layout.answer_part(job_id, "fused"), FusedEvidence)
    entries = dict.fromkeys(each.chunk.entry_id for each in fused.evidence)
    return Ranked([names[each] for each in entries], _seconds(job.execution_arn) * 1_000)


def _seconds(execution_arn: str) -> float:
    """From the start of Plan Retrieval to the end of Fuse Evidence."""
    from omnilake import aws

    pages = aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    events = [event for page in pages for event in page["events"]]
    entered = {
        event["stateEnteredEventDetails"]["name"]: event["timestamp"]
        for event in reversed(events)
        if event["type"].endswith("StateEntered")
    }
    exited = {
        event["stateExitedEventDetails"]["name"]: event["timestamp"]
        for event in events
        if event["type"].endswith("StateExited")
    }
    return float((exited["Fuse Evidence"] - entered["Plan Retrieval"]).total_seconds())


# --- the others ---------------------------------------------------------------------------------------------------


def _peers(run: Run, labelled: LabelledSet) -> dict[str, dict[str, Any]]:
    corpus = labelled.folder / "corpus.jsonl"
    vectors = run.cache / f"{labelled.name}-{hashlib.sha256(corpus.read_bytes()).hexdigest()[:12]}.npy"
    if not vectors.exists():
        run.say(f"{labelled.name}: vectors of the documents …")
        run.peer("retrieval_peers.py", "vectors", labelled.folder, vectors, "")
    asked = run.cache / f"{labelled.name}-queries.json"
    asked.write_text(json.dumps(labelled.queries))
    found = {}
    for system in SYSTEMS:
        started = time.monotonic()
        found[system] = run.peer("retrieval_peers.py", system, labelled.folder, vectors, asked)
        run.say(f"{labelled.name}: {system} in {time.monotonic() - started:.0f} s")
    return found


# --- figures ------------------------------------------------------------------------------------------------------


def _scored(labelled: LabelledSet, found: dict[str, Ranked]) -> dict[str, float]:
    ndcgs = [ndcg(found[query].documents, labelled.relevant[query]) for query in labelled.queries]
    recalls = [recall(found[query].documents, labelled.relevant[query]) for query in labelled.queries]
    times = [each.milliseconds for each in found.values() if each.milliseconds is not None]
    return {
        "ndcg10": statistics.mean(ndcgs),
        "recall10": statistics.mean(recalls),
        "p50_ms": statistics.median(times),
        "nothing_found": sum(not each.documents for each in found.values()),
    }


def _print(labelled: LabelledSet, measured: dict[str, dict[str, float]], versions: dict[str, str]) -> None:
    rows: dict[str, Any] = {
        f"{system} {versions.get(system, '')}".strip(): (
            f"nDCG@10 {each['ndcg10']:.3f}   recall@10 {each['recall10']:.3f}   p50 {each['p50_ms']:,.1f} ms"
        )
        for system, each in measured.items()
    }
    better = max(measured["bm25"]["ndcg10"], measured["dense"]["ndcg10"])
    others = max(each["ndcg10"] for name, each in measured.items() if name != "omnilake")
    rows["omnilake / better of bm25 and dense"] = measured["omnilake"]["ndcg10"] / better
    rows["omnilake / best of the others"] = measured["omnilake"]["ndcg10"] / others
    rows["queries without any result"] = str(int(measured["omnilake"]["nothing_found"]))
    report.table(f"Retrieval, {labelled.name}, {len(labelled.queries)} queries, the same embedder", rows)
