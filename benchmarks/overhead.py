"""`make bench-overhead`: what the workflows cost over the bare library calls on the same documents.

Side by side in one run, on an embedded cloud of its own that is warmed up by one small document first:

library    one process: parse, chunk, embed (all processors), one LanceDB add on this disk; timed from the first parse
           to the end of the add, model already loaded
workflow   the same documents uploaded to the landing bucket; timed from the first byte sent until the last document is
           published and its object moved, with everything between: events, queues, executions, registry, staging,
           verification, index of words

Then ten questions on the warm archive. Figures: ratio, seconds of each state, peak memory of each function.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.cloud import bench_cloud  # noqa: E402

QUESTIONS = (
    "What is the maximum length of an execution name?",
    "How do I start a synchronous Express execution?",
    "Which permission is needed to upload a part?",
    "What happens when a Lambda function is throttled?",
    "How long may an object lock retention period be?",
    "What does TransactWriteItems return when a condition fails?",
    "How can I list the versions of a function?",
    "What is a global secondary index?",
    "How do I redrive a failed execution?",
    "What does the expected bucket owner header do?",
)


def library(corpus: Path, models: Path) -> dict[str, Any]:
    """The bare calls, in this process; run in a process of its own so that nothing else is loaded.

    Args:
        corpus: folder of HTML pages.
        models: the built models layer (``…/python``).
    """
    sys.path.append(str(models))
    os.environ["OMNILAKE_EMBED_THREADS"] = str(os.cpu_count())
    import lancedb
    import pyarrow as pa

    from omnilake import chunking, embedding, extraction
    from omnilake.models import ChunkingConfig

    provider = embedding.provider_for(embedding.default_space())
    provider.embed_passages(["warm up"])
    extraction.extract(b"<html><body><p>warm up</p></body></html>", "warm.html")
    files = [(path, path.read_bytes()) for path in sorted(corpus.rglob("*.html"))]
    marks = [time.perf_counter()]
    documents = [extraction.extract(data, path.name) for path, data in files]
    marks.append(time.perf_counter())
    chunks = [
        chunk
        for (path, _), document in zip(files, documents, strict=True)
        for chunk in chunking.to_chunks(
            chunking.chunk(document, ChunkingConfig(), provider.encode),
            document,
            entry_id=path.stem,
            version="1",
            source=path.name,
        )
    ]
    marks.append(time.perf_counter())
    vectors = provider.embed_passages([chunk.text for chunk in chunks])
    marks.append(time.perf_counter())
    with tempfile.TemporaryDirectory() as folder:
        rows = pa.Table.from_pylist([chunk.model_dump(exclude={"page", "time_s", "speaker"}) for chunk in chunks])
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        lancedb.connect(folder).create_table("chunks", rows.append_column("vector", column))
        marks.append(time.perf_counter())
    names = ("parse", "chunk", "embed", "add")
    parts = {name: end - start for name, start, end in zip(names, marks, marks[1:], strict=False)}
    return {"documents": len(files), "chunks": len(chunks), "seconds": marks[-1] - marks[0], "parts": parts}


def _ingest(deployment: Any, archive: str, uploads: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Straight into the landing bucket, as S3 sees it; the API's part is measured by bench-api."""
    from omnilake.clock import now

    started = now()
    deployment.upload(archive, uploads)
    seen = list(deployment.follow_ingestion(archive, [each.name for each in uploads], started))
    last: dict[str, dict[str, Any]] = seen[-1]
    return last


def workflow(corpus: Path, run: str) -> dict[str, Any]:
    """The same documents through the deployed workflow of the embedded cloud that the environment names."""
    from omnilake.cli.upload import files_below
    from omnilake.client.deployment import Deployment
    from omnilake.client.uploading import Upload
    from omnilake.clock import now

    deployment = Deployment()
    warm = f"warm-{run}"
    deployment.create_archive(warm)
    page = next(iter(sorted(corpus.rglob("*.html"))))
    _ingest(deployment, warm, [Upload(page, f"{number}.html") for number in range(1)])
    deployment.wait(deployment.submit(warm, QUESTIONS[0]))

    archive = f"bench-{run}"
    deployment.create_archive(archive)
    uploads = files_below(corpus)
    since, started = now(), time.perf_counter()
    outcomes = _ingest(deployment, archive, uploads)
    seconds = time.perf_counter() - started
    states, transitions, executions = _history([job.execution_arn for job in deployment.ingestions(archive, since)])
    questions = [_ask(deployment, archive, question) for question in QUESTIONS]
    return {
        "documents": len(uploads),
        "completed": sum(outcome["status"] == "COMPLETED" for outcome in outcomes.values()),
        "chunks": sum(outcome.get("chunks", 0) for outcome in outcomes.values()),
        "seconds": seconds,
        "states": states,
        "executions": executions,
        "transitions": transitions,
        "question_p50_s": statistics.median(questions),
        "question_max_s": max(questions),
    }


def _ask(deployment: Any, archive: str, question: str) -> float:
    started = time.perf_counter()
    job = deployment.wait(deployment.submit(archive, question))
    deployment.answer(job)
    return time.perf_counter() - started


def _history(executions: list[str]) -> tuple[dict[str, float], int, int]:
    """Seconds spent inside each state over all executions, and the number of transitions (states entered)."""
    from omnilake import aws

    seconds: dict[str, float] = defaultdict(float)
    transitions = 0
    for arn in executions:
        entered: dict[str, list[float]] = defaultdict(list)
        for event in _events(aws.client("stepfunctions"), arn):
            moment = event["timestamp"].timestamp()
            if event["type"].endswith("StateEntered"):
                transitions += 1
                entered[event["stateEnteredEventDetails"]["name"]].append(moment)
            elif event["type"].endswith("StateExited"):
                name = event["stateExitedEventDetails"]["name"]
                if entered[name]:
                    seconds[name] += moment - entered[name].pop(0)
    return dict(seconds), transitions, len(executions)


def _events(client: Any, arn: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("get_execution_history").paginate(executionArn=arn):
        yield from page["events"]


def main() -> None:
    """Measure, print, write ``overhead.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", nargs=2, type=Path, metavar=("CORPUS", "MODELS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.library:
        print(json.dumps(library(*arguments.library)))
        return
    from omnilake.cli.corpus import write_corpus
    from omnilake_local import lifecycle, paths

    project = paths.find_project()
    with bench_cloud() as server:
        with tempfile.TemporaryDirectory() as folder:
            corpus = Path(folder) / "aws-docs"
            write_corpus(corpus)
            command = [
                sys.executable,
                __file__,
                "--library",
                str(corpus),
                str(project.build / "ModelsLayer" / "python"),
            ]
            bare = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            flow = workflow(corpus, str(int(time.time())))
        functions = lifecycle.function_figures(server.endpoint_url)
    _report(bare, flow, functions)


def _report(bare: dict[str, Any], flow: dict[str, Any], functions: list[dict[str, Any]]) -> None:
    ratio = flow["seconds"] / bare["seconds"]
    memory = {
        each["function"]: {"memory_mb": each["memory_size_mb"], "peak_mb": each["peak_rss_mb"]} for each in functions
    }
    over = [name for name, each in memory.items() if each["peak_mb"] >= each["memory_mb"]]
    report.table(
        "Ingestion: workflow over bare library calls",
        {
            "documents": flow["documents"],
            "completed": flow["completed"],
            "chunks (library / workflow)": f"{bare['chunks']} / {flow['chunks']}",
            "library, s": bare["seconds"],
            **{f"  {name}, s": value for name, value in bare["parts"].items()},
            "workflow, s": flow["seconds"],
            "ratio": ratio,
            "executions": flow["executions"],
            "transitions per document": flow["transitions"] / flow["documents"],
            "USD per million documents (Step Functions)": flow["transitions"] / flow["documents"] * 25,
            "question, p50, s": flow["question_p50_s"],
        },
    )
    report.table("Seconds inside each state, all executions added up", dict(sorted(flow["states"].items())))
    report.table(
        "Peak memory of each function, MB of its MemorySize",
        {name: f"{each['peak_mb']:.0f} of {each['memory_mb']}" for name, each in sorted(memory.items())},
    )
    path = report.write(
        "overhead",
        {
            "documents": flow["documents"],
            "workflow_s": flow["seconds"],
            "library_s": bare["seconds"],
            "ratio": ratio,
            "library": bare,
            "workflow": flow,
            "memory": memory,
            "memory_exceeded": over,
        },
    )
    print(f"figures: {path.relative_to(ROOT)}")
    if over:
        raise SystemExit(f"Peak memory above MemorySize: {', '.join(over)}")


if __name__ == "__main__":
    main()
