"""`make bench-ingest`: documents in, side by side with LlamaIndex's and Haystack's ingestion pipelines.

One run, the same documents, the same embedder (the model of the models layer, weight-only int8 MiniLM, all processors),
chunks of the same size in tokens of that model, one after the other on one machine:

omnilake    a JSON lines manifest through the deployed ``ingest_collection`` of an embedded cloud of its own, from the
            start of the collection until the last document is published: executions, queues, registry, staging, one
            commit a batch, index of words, verification
llama_index IngestionPipeline(SentenceSplitter, embedder) into LanceDB, in one process
haystack    DocumentSplitter → embedder → DocumentWriter into its InMemoryDocumentStore, in one process

The peers keep no registry, verify nothing and write nowhere but into their store; the comparison is of time alone. They
run in an environment of their own (``.omnilake/venvs/peers``).

Documents: ``--data DIR`` with a ``corpus.jsonl`` of BEIR (``_id``, ``title``, ``text``), for instance SciFact's 5,183
abstracts (https://github.com/allenai/scifact, CC BY 4.0); without it, pages made of botocore's service models.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.cloud import bench_cloud  # noqa: E402

USD_PER_TRANSITION = 25e-6
"""Standard workflows, us-east-1: 2.5 cents per thousand transitions (https://aws.amazon.com/step-functions/pricing/)."""
SIZES = (100, 1_000)
"""Smaller collections that are run before the whole, to see whether time and memory stay flat."""
PEERS = {"llama_index": "llama-index-core==0.14.25", "haystack": "haystack-ai==3.4.0"}


def documents(data: Path | None, count: int) -> Iterator[dict[str, Any]]:
    """Records of the corpus, at most ``count``."""
    if data is None:
        yield from _pages(count)
        return
    with (data / "corpus.jsonl").open() as lines:
        for number, line in enumerate(lines):
            if number >= count:
                return
            told = json.loads(line)
            yield _record(told["_id"], told.get("title", ""), told["text"])


def _pages(count: int) -> Iterator[dict[str, Any]]:
    from omnilake import extraction
    from omnilake.cli.corpus import write_corpus

    with tempfile.TemporaryDirectory() as folder:
        write_corpus(Path(folder))
        for number, path in enumerate(sorted(Path(folder).rglob("*.html"))):
            if number >= count:
                return
            page = extraction.extract(path.read_bytes(), path.name)
            yield _record(path.stem, page.title, page.text)


def _record(record_id: str, title: str, text: str) -> dict[str, Any]:
    updated_at = "2026-01-01T00:00:00Z"
    return {"source_type": "bench", "record_id": record_id, "title": title, "text": text, "updated_at": updated_at}


# --- the deployed workflow ----------------------------------------------------------------------------------------


def collection(corpus: list[dict[str, Any]], name: str, endpoint_url: str) -> dict[str, Any]:
    """A collection of these records through the deployed workflow."""
    from omnilake import aws
    from omnilake.client.deployment import Deployment
    from omnilake.models import JobStatus
    from omnilake_local import lifecycle

    deployment = Deployment()
    deployment.create_archive(name)
    _forget_vectors(deployment.stack_name)
    bucket, key = deployment.outputs["LandingBucket"], f"lists/{name}.jsonl"
    aws.ObjectStore(bucket).write(key, "\n".join(map(json.dumps, corpus)).encode())
    started = time.perf_counter()
    job = deployment.wait(deployment.start_collection(name, manifest=f"s3://{bucket}/{key}"), timeout_s=7_200)
    seconds = time.perf_counter() - started
    if job.status is not JobStatus.COMPLETED or job.progress["completed"] != len(corpus):
        raise SystemExit(f"{name}: {job.status} {job.progress} {job.error}")
    transitions = _transitions(deployment, job.job_id, job.execution_arn)
    figures = lifecycle.function_figures(endpoint_url)
    return {
        "documents": len(corpus),
        "chunks": job.progress["chunks"],
        "seconds": seconds,
        "docs_per_s": len(corpus) / seconds,
        "ms_per_document": 1_000 * seconds / len(corpus),
        "transitions": dict(transitions),
        "transitions_per_doc": transitions.total() / len(corpus),
        "peak_rss_mb": {each["function"]: each["peak_rss_mb"] for each in figures if each["invocations"]},
    }


def _forget_vectors(stack_name: str) -> None:
    """Empty the embedding cache: every collection pays for all its chunks, as the peers do."""
    from omnilake import aws

    resource = {"StackName": stack_name, "LogicalResourceId": "EmbeddingCacheTable"}
    found = aws.client("cloudformation").describe_stack_resource(**resource)
    table, dynamodb = found["StackResourceDetail"]["PhysicalResourceId"], aws.client("dynamodb")
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="cache_id"):
        for item in page["Items"]:
            dynamodb.delete_item(TableName=table, Key=item)


def _transitions(deployment: Any, job_id: str, arn: str) -> Counter[str]:
    """States entered by a collection's execution, its map's children and their ingestions.

    A child enters one state (Ingest Batch); the embedded cloud keeps no history of it.
    """
    from omnilake import aws, layout

    batches = aws.ObjectStore(deployment.outputs["LakeBucket"]).read(layout.collection_part(job_id, "batches"))
    ids = [json.loads(line)["job_id"] for line in batches.splitlines()]
    machine = deployment.outputs["IngestDocumentMachine"]
    found = Counter({"Ingest Batch (child of the map)": len(ids)})
    with ThreadPoolExecutor(4) as pool:
        arns = [arn, *(aws.execution_arn(machine, each) for each in ids)]
        for names in pool.map(_entered, arns):
            found.update(names)
    return found


def _entered(arn: str) -> list[str]:
    from omnilake import aws

    pages = aws.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    return [
        event["stateEnteredEventDetails"]["name"]
        for page in pages
        for event in page["events"]
        if event["type"].endswith("StateEntered")
    ]


def main() -> None:
    """Measure, print, write ``ingest.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with a corpus.jsonl of BEIR")
    parser.add_argument("--documents", type=int, default=5_000, help="most documents")
    arguments = parser.parse_args()
    _measure(list(documents(arguments.data, arguments.documents)), str(arguments.data or "botocore's models"))


def _measure(corpus: list[dict[str, Any]], origin: str) -> None:
    from rich.console import Console

    from omnilake_local import paths

    console = Console()
    project = paths.find_project()
    python = _peers_python(project.home)
    run = str(int(time.time()))
    with bench_cloud() as server:
        collection(corpus[:20], f"warm-{run}", server.endpoint_url)
        ours = []
        for size in [*(each for each in SIZES if each < len(corpus)), len(corpus)]:
            console.print(f"omnilake: {size} documents …")
            ours.append(collection(corpus[:size], f"bench-{size}-{run}", server.endpoint_url))
    peers = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        path.write_text("\n".join(map(json.dumps, corpus)))
        for name in PEERS:
            console.print(f"{name}: {len(corpus)} documents …")
            models = str(project.build / "ModelsLayer" / "python")
            command = [str(python), str(ROOT / "benchmarks" / "peers.py"), name, str(path), models]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "layers" / "core"), models])}
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            peers[name] = json.loads(done.stdout.splitlines()[-1])
    _report(ours, peers, origin)


def _peers_python(home: Path) -> Path:
    """Interpreter of the peers' environment, made when it is missing or of other versions."""
    from omnilake_local.environments import find_uv

    folder = home / "venvs" / "peers"
    wanted = "\n".join([*PEERS.values(), "lancedb==0.40.0", "pydantic", "tokenizers==0.23.3", "onnxruntime==1.31.1"])
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = str(find_uv())
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
        packages = [*wanted.splitlines(), "aws-lambda-powertools", "boto3", "numpy==2.4.6"]
        subprocess.run(
            [uv, "pip", "install", "-q", "--link-mode=copy", "--python", str(folder / "bin" / "python"), *packages],
            check=True,
        )
        stamp.write_text(wanted)
    return folder / "bin" / "python"


def _report(ours: list[dict[str, Any]], peers: dict[str, dict[str, Any]], origin: str) -> None:
    whole = ours[-1]
    usd = whole["transitions_per_doc"] * USD_PER_TRANSITION * 1e6
    rows: dict[str, Any] = {"documents": f"{whole['documents']} of {origin}"}
    for each in ours:
        rows[f"omnilake, {each['documents']} documents, ms per document"] = each["ms_per_document"]
    rows["omnilake, documents per second"] = whole["docs_per_s"]
    for name, peer in peers.items():
        rows[f"{name} {peer['version']}, documents per second ({peer['chunks']} chunks)"] = peer["docs_per_s"]
        rows[f"ratio to {name}"] = whole["docs_per_s"] / peer["docs_per_s"]
    rows |= {
        "omnilake, chunks": whole["chunks"],
        "transitions per document": whole["transitions_per_doc"],
        "USD per million documents (Step Functions)": usd,
    }
    report.table("Ingestion of a collection, the same embedder", rows)
    names = sorted(whole["peak_rss_mb"])
    report.table(
        f"Peak memory of each function, MB, after {', '.join(str(each['documents']) for each in ours)} documents",
        {name: " / ".join(f"{each['peak_rss_mb'].get(name, 0):.0f}" for each in ours) for name in names},
    )
    path = report.write(
        "ingest",
        {
            "documents": whole["documents"],
            "data": origin,
            "docs_per_s": {"omnilake": whole["docs_per_s"]}
            | {name: peer["docs_per_s"] for name, peer in peers.items()},
            **{f"ratio_to_{name}": whole["docs_per_s"] / peer["docs_per_s"] for name, peer in peers.items()},
            "transitions_per_doc": whole["transitions_per_doc"],
            "usd_per_million_docs": usd,
            "peak_rss_mb": max(whole["peak_rss_mb"].values()),
            "omnilake": ours,
            "peers": peers,
        },
    )
    print(f"figures: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
