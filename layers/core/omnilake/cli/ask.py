"""``omnilake ask``: a question, its progress, and the answer with its citations."""

from __future__ import annotations

import time

import click
from rich.console import Console
from rich.markup import escape

from omnilake.client.deployment import Deployment
from omnilake.models import Answer, AnswerStatus, Citation, Job, JobStatus

ABSTAINED = 3


@click.command()
@click.argument("archive_id")
@click.argument("question")
@click.option("--goal", default="", help="What the answer is for.")
@click.option(
    "--evidence",
    "evidence_limit",
    type=click.IntRange(1, 1_000),
    default=24,
    show_default=True,
    help="Most chunks to read.",
)
@click.option("--claims", "max_claims", type=click.IntRange(1, 50), default=6, show_default=True, help="Most claims.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_obj
def ask(
    stack: str, archive_id: str, question: str, goal: str, evidence_limit: int, max_claims: int, as_json: bool
) -> None:
    """Ask an archive a question."""
    deployment = Deployment(stack)
    options = {"goal": goal, "evidence_limit": evidence_limit, "max_claims": max_claims}
    console = Console()
    if as_json:
        job = deployment.wait(deployment.submit(archive_id, question, **options))
        if job.status is JobStatus.FAILED:
            click.echo(job.model_dump_json(indent=2))
            raise click.exceptions.Exit(1)
        answer = deployment.answer(job)
        click.echo(answer.model_dump_json(indent=2))
    else:
        found = put(deployment, console, archive_id, question, **options)
        if found is None:
            raise click.exceptions.Exit(1)
        answer = found
    if answer.status is AnswerStatus.ABSTAINED:
        raise click.exceptions.Exit(ABSTAINED)


def put(deployment: Deployment, console: Console, archive_id: str, question: str, **options: object) -> Answer | None:
    """Ask, show progress and the answer; None when the job failed (its error is shown)."""
    started = time.monotonic()
    with console.status("Submit") as status:
        job_id = deployment.submit(archive_id, question, **options)
        job = deployment.wait(job_id, lambda job: status.update(_progress(job)))
    seconds = time.monotonic() - started
    if job.status is JobStatus.FAILED and job.error is not None:
        console.print(f"[red]Failed[/] {escape(f'{job.error.code}: {job.error.message} {job.error.action}')}")
        console.print(f"[dim]job {job_id}[/]")
        return None
    answer = deployment.answer(job)
    show(console, answer, seconds)
    return answer


def show(console: Console, answer: Answer, seconds: float) -> None:
    """An answer for people: claims with [n], citations, coverage, usage, time, job."""
    if answer.status is AnswerStatus.ABSTAINED:
        console.print("[yellow]No answer:[/] the archive does not hold one.")
        for reason in answer.reasons:
            console.print(f"  {reason}", markup=False)
        if answer.nearest:
            console.print("[dim]Nearest evidence:[/]")
        for near in answer.nearest:
            similarity = "" if near.similarity is None else f"{near.similarity:.2f}  "
            console.print(f"  {similarity}{near.source} {near.section}", style="dim", markup=False, soft_wrap=True)
    for claim in answer.claims:
        marks = "".join(f"[{number}]" for number in claim.citations)
        console.print(f"• {claim.text} {marks}", markup=False)
    for citation in answer.citations:
        console.print(f"  \\[{citation.number}] [dim]{escape(_place(citation))}[/]", soft_wrap=True)
    coverage = answer.coverage
    tokens_in = sum(line.input_tokens for line in answer.ledger)
    tokens_out = sum(line.output_tokens for line in answer.ledger)
    retrievers = ", ".join(f"{name} {outcome}" for name, outcome in coverage.retrievers.items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in coverage.chunks_dropped.items()) or "none"
    console.print(
        f"[dim]coverage: {coverage.chunks_matched} chunks matched, {coverage.chunks_read} read, "
        f"dropped: {escape(dropped)}; retrievers: {escape(retrievers)}; groups: {coverage.groups}\n"
        f"usage: {tokens_in} tokens in, {tokens_out} out, ${answer.cost_usd:.4f}; time: {seconds:.2f} s\n"
        f"job: {answer.job_id}[/]",
        soft_wrap=True,
    )


def _place(citation: Citation) -> str:
    where = [citation.source]
    if citation.page is not None:
        where.append(f"page {citation.page}")
    if citation.time_s is not None:
        where.append(f"at {int(citation.time_s) // 60}:{int(citation.time_s) % 60:02d}")
    if citation.section:
        where.append(citation.section)
    where.append(f"characters {citation.start}-{citation.end}")
    return ", ".join(where)


def _progress(job: Job) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in sorted(job.progress.items()))
    return f"{job.state or job.status.value}{f' ({counts})' if counts else ''}"
