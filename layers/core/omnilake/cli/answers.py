"""How the command line shows answers: progress while they are made, then claims, citations and what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from omnilake.cli.connection import counted, going_on, print_json, prose
from omnilake.client.client import JobHandle, OmniLake
from omnilake.client.progress import counts, seconds_of, visits
from omnilake.client.types import JobRecord, SearchResult
from omnilake.models import Answer, AnswerClaim, AnswerStatus, Budget, Citation, Job, JobStatus

if TYPE_CHECKING:
    from omnilake.answering.comparison import AnswerDiff, CitedClaim

ABSTAINED = 3
"""Exit code of an abstention."""

_SHOWN_CHARACTERS = 100
"""Most of a passage that came near, on a line of its own."""


def follow(handle: JobHandle, timeout_s: float = 900) -> JobRecord:
    """A job at its end. Until then each state that it leaves is a line on the error output, with its time, and the
    state that it is in is shown with its counts; nothing where that output is no terminal."""
    console = Console(stderr=True)
    shown = 0
    with console.status("Submit") as status:

        def tell(job: JobRecord) -> None:
            nonlocal shown
            left = [each for each in visits(job) if each.seconds is not None]
            for each in left[shown:] if console.is_terminal else []:
                console.print(f"[dim]{each.seconds:7.2f} s  {each.state}[/]", highlight=False)
            shown = len(left)
            told = counts(job)
            status.update(f"{job.state or job.status.value}{f' ({told})' if told else ''}")

        with going_on(f"The job goes on. Come back to it: omnilake {_again(handle.job_id)}"):
            return handle.wait(timeout_s, tell)


def _again(job_id: str) -> str:
    return f"{'answer' if job_id.startswith('answer-') else 'jobs watch'} {job_id}"


def answer_of(lake: OmniLake, job: Job, *, as_json: bool) -> Answer:
    """The answer of an ended job; of one that failed its error is shown, and the exit code is 1."""
    if job.status is JobStatus.COMPLETED:
        return lake.answers.get(job.job_id)
    if as_json:
        print_json(job)
    else:
        show_failure(prose(), job)
    raise click.exceptions.Exit(1)


def tell(lake: OmniLake, job: Job, answer: Answer, *, as_json: bool) -> None:
    """Show an answer, or what was asked for in its place."""
    if answer.status is AnswerStatus.PROMPT:
        prompt = lake.answers.prompt(job.job_id)
        if as_json:
            print_json(prompt)
        else:
            click.echo(f"{prompt['system']}\n\n{prompt['user']}")
    elif as_json:
        print_json(answer)
    else:
        show(prose(), answer, seconds_of(job))


def put(lake: OmniLake, console: Console, archive_id: str, question: str, **options: Any) -> Answer | None:
    """Ask, show progress and the answer; None when the job failed (its error is shown)."""
    job = follow(lake.ask(archive_id, question, **options))
    if job.status is not JobStatus.COMPLETED:
        show_failure(console, job)
        return None
    answer = lake.answers.get(job.job_id)
    show(console, answer, seconds_of(job))
    return answer


def show_failure(console: Console, job: Job) -> None:
    """Why a request failed, and what to do."""
    if job.error is not None:
        error = f"{job.error.code}: {job.error.message} {job.error.action}"
        console.print(f"[red]{job.status.value.capitalize()}[/] {escape(error)}")
    console.print(f"[dim]job {job.job_id}[/]")


def show(console: Console, answer: Answer, seconds: float) -> None:
    """An answer for people: claims with [n], citations, coverage, usage, time, job."""
    from omnilake.answering.rendering import in_conflict

    if answer.status is AnswerStatus.ABSTAINED:
        _show_abstention(console, answer)
    if answer.status is AnswerStatus.QUOTED and answer.budget:
        show_budget(console, answer.budget)
    for conflict, claims in in_conflict(answer.claims):
        if conflict:
            console.print(f"[yellow]The sources contradict one another:[/] {escape(conflict)}")
        for claim in claims:
            console.print(f"{'  ' if conflict else ''}• {_marked(claim)}", markup=False)
    for citation in answer.citations:
        console.print(f"  \\[{citation.number}] [dim]{escape(place(citation))}[/]", soft_wrap=True)
        if citation.url and citation.url != citation.source:
            console.print(f"      [dim]{escape(citation.url)}[/]", soft_wrap=True)
    if answer.written_back:
        written = answer.written_back
        became = written.error.code if written.error else f"entry {written.entry_id}, job {written.job_id}"
        console.print(f"[dim]written to {escape(written.archive_id)}: {escape(became)}[/]", soft_wrap=True)
    console.print(f"[dim]{escape(_took(answer, seconds))}[/]", soft_wrap=True)


def show_budget(console: Console, budget: Budget) -> None:
    """What an answer would take."""
    console.print(
        f"{counted(budget.calls, 'call')}, {budget.input_tokens:,} tokens in, {budget.output_tokens:,} out, "
        f"${budget.cost_usd:.4f}, about {budget.seconds:.0f} s; {counted(budget.chunks, 'chunk')} "
        f"in {counted(budget.groups, 'group')}"
    )


def show_diff(console: Console, diff: AnswerDiff) -> None:
    """What sets two answers apart, each claim with what it cites."""
    for claim in diff.removed:
        _show_side(console, "[red]-[/]", claim)
    for claim in diff.added:
        _show_side(console, "[green]+[/]", claim)
    for changed in diff.changed:
        console.print(f"[yellow]~[/] {'reworded' if changed.reworded else 'cites another place'}")
        _show_side(console, "  [red]-[/]", changed.before)
        _show_side(console, "  [green]+[/]", changed.after)
    if diff.status[0] is not diff.status[1]:
        console.print(f"status: {diff.status[0]} → {diff.status[1]}")
    for name, (before, after) in diff.versions.items():
        console.print(f"[dim]{escape(f'{name}: {before or chr(8211)} → {after or chr(8211)}')}[/]", soft_wrap=True)
    same = "; they say the same, byte for byte" if diff.identical else ""
    console.print(
        f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.changed)} changed, "
        f"{diff.unchanged} unchanged{same}; ${diff.cost_usd[0]:.4f} → ${diff.cost_usd[1]:.4f}"
    )


def place(citation: Citation | SearchResult) -> str:
    """Where a quote stands, for people."""
    where = [citation.source]
    if citation.page is not None:
        where.append(f"page {citation.page}")
    if citation.time_s is not None:
        where.append(f"at {int(citation.time_s) // 60}:{int(citation.time_s) % 60:02d}")
    if citation.section:
        where.append(citation.section)
    where.append(f"characters {citation.start}-{citation.end}")
    return ", ".join(where)


def _show_abstention(console: Console, answer: Answer) -> None:
    console.print("[yellow]No answer:[/] the archive does not hold one.")
    for reason in answer.reasons:
        console.print(f"  {reason}", markup=False)
    if answer.nearest:
        console.print("[dim]Nearest evidence:[/]")
    for near in answer.nearest:
        similarity = "" if near.similarity is None else f"{near.similarity:.2f}  "
        where = ", ".join(filter(None, (near.source, near.section)))
        text = " ".join(near.text.split())
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        console.print(f"  {similarity}{where}", style="dim", markup=False, highlight=False, soft_wrap=True)
        console.print(f"        {shown}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _show_side(console: Console, mark: str, claim: CitedClaim) -> None:
    console.print(f"{mark} {escape(claim.text)}", soft_wrap=True)
    for citation in claim.citations:
        console.print(f"      [dim]{escape(place(citation))}[/]", soft_wrap=True)


def _marked(claim: AnswerClaim) -> str:
    return f"{claim.text} {''.join(f'[{number}]' for number in claim.citations)}"


def _took(answer: Answer, seconds: float) -> str:
    coverage = answer.coverage
    tokens_in = sum(line.input_tokens for line in answer.ledger)
    tokens_out = sum(line.output_tokens for line in answer.ledger)
    lines = [
        f"coverage: {coverage.chunks_matched} chunks matched, {coverage.chunks_read} read, "
        f"dropped: {_listed(coverage.chunks_dropped)}; "
        f"retrievers: {', '.join(f'{name} {outcome}' for name, outcome in coverage.retrievers.items())}; "
        f"groups: {coverage.groups}{_of_groups(answer)}"
    ]
    lines += [f"degraded: {each.step} → {each.to} ({each.reason})" for each in coverage.degraded]
    if coverage.claims_removed:
        lines.append(f"claims removed: {_listed(coverage.claims_removed)}")
    lines.append(f"usage: {tokens_in} tokens in, {tokens_out} out, ${answer.cost_usd:.4f}; time: {seconds:.2f} s")
    lines.append(f"job: {answer.job_id}")
    return "\n".join(lines)


def _of_groups(answer: Answer) -> str:
    coverage = answer.coverage
    told = {"failed": coverage.groups_failed, "remembered": coverage.groups_remembered}
    listed = ", ".join(f"{count} {name}" for name, count in told.items() if count)
    return f" ({listed})" if listed else ""


def _listed(counted: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counted.items()) or "none"
