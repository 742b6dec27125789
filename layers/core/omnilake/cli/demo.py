"""``omnilake demo``: the main job, for real, on the embedded cloud."""

from __future__ import annotations

import os
import sys
import time

import click
from rich.console import Console
from rich.rule import Rule

ARCHIVE = "demo"
QUESTIONS = (
    "Why was gauge-intake throttled during incident NT-2291?",
    "How long does Lambda retain an asynchronous event before it discards it?",
    "What happens to the parts of an aborted multipart upload?",
)
UNANSWERABLE = "Which grape varieties grow best on volcanic soil?"


@click.command(short_help="The embedded cloud with real documents and questions.")
def demo() -> None:
    """Start the embedded cloud, ingest real documents, ask questions."""
    from omnilake.cli.answers import put
    from omnilake.cli.corpus import write_corpus
    from omnilake.cli.upload import files_below, ingest
    from omnilake.client.client import OmniLake
    from omnilake_local import lifecycle
    from omnilake_local.cloud import connect
    from omnilake_local.paths import find_project, find_state_dir
    from omnilake_local.progress import StepPrinter

    console = Console()
    started = time.monotonic()
    console.print(Rule("1. The embedded cloud: sam build, sam deploy, on 127.0.0.1"))
    project, state = find_project(), find_state_dir()
    lifecycle.up(project, state, progress=StepPrinter(console))
    os.environ.pop("AWS_PROFILE", None)
    os.environ.update(connect().env)
    lake = OmniLake()

    console.print(Rule("2. An archive with real documents"))
    archive = lake.archives.create(ARCHIVE, "AWS service documentation and a team's own documents")
    console.print(f"Archive {archive.archive_id}, embedding space {archive.space.space_id}")
    corpus = state.root.parent / "demo" / "aws-docs"
    pages = write_corpus(corpus)
    examples = project.root / "examples"
    console.print(f"{len(pages)} operation pages out of botocore's models, and examples/ of six formats")
    documents = [each for each in files_below(examples) if each.path.parent == examples]
    outcomes = ingest(lake, ARCHIVE, files_below(corpus) + documents)
    if any(outcome["status"] == "FAILED" for outcome in outcomes.values()):
        raise click.ClickException("Some documents failed; see above.")

    console.print(Rule("3. Questions"))
    job_id = ""
    for question in (*QUESTIONS, UNANSWERABLE):
        console.print(f"\n[bold]{question}[/]")
        answer = put(lake, console, ARCHIVE, question)
        if answer is None:
            raise click.ClickException("The question could not be answered; see above.")
        expected = "ABSTAINED" if question is UNANSWERABLE else "ANSWERED"
        if answer.status.value != expected:
            raise click.ClickException(f"Expected {expected}, got {answer.status.value}.")
        job_id = job_id or answer.job_id
        execution = answer.execution_arn

    console.print(Rule("4. Look inside"))
    command = os.path.relpath(sys.argv[0])
    console.print(
        f"The executions behind the answers, each with its states' inputs and outputs:\n"
        f"    {command} local console\n"
        f"    {command} --local jobs show {job_id}\n"
        f"Ask yourself:\n"
        f'    {command} --local ask {ARCHIVE} "…"\n'
        f"Stop it (what was ingested stays):\n"
        f"    {command} local down",
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"[dim]last execution: {execution}[/]", soft_wrap=True)
    console.print(f"Done in {time.monotonic() - started:.0f} s.")
