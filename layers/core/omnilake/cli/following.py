"""How the command line shows jobs that work on documents, until they end."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from omnilake.cli.connection import going_on, print_json
from omnilake.client.client import JobHandle, OmniLake
from omnilake.client.progress import counts
from omnilake.client.types import JobItem, JobRecord
from omnilake.models import JobStatus

_SHOWN = 20
_DONE = ("completed", "duplicates", "deleted", "expanded", "failed", "removed")


def bars(console: Console) -> Progress:
    """Progress bars; nothing where the output is no terminal."""
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )


def follow_documents(
    lake: OmniLake, job: JobHandle, *, wait: bool, as_json: bool = False, timeout_s: float = 86_400
) -> None:
    """Tell the job's id, and show it until it has ended; exits with 1 when it, or some of its documents, failed.

    As JSON the output is one document: what the API says of the job when it has started it, or when it has ended.
    """
    if not as_json:
        click.echo(job.job_id)
    elif not wait:
        _print_job(job, job.record())
    if not wait:
        return
    with bars(Console(stderr=True)) as progress:
        task = progress.add_task("Documents", total=None, note="")

        def show(record: JobRecord) -> None:
            counts = {name: count for name, count in record.progress.items() if count}
            note = ", ".join(f"{counts[name]} {name}" for name in _DONE if name in counts)
            done = sum(counts.get(name, 0) for name in _DONE)
            progress.update(task, total=counts.get("documents"), completed=done, note=note or record.state)

        with going_on(f"The job goes on. Come back to it: omnilake jobs watch {job.job_id}"):
            record = job.wait(timeout_s, show)
    end(lake, job, record, as_json=as_json)


def end(lake: OmniLake, job: JobHandle, record: JobRecord, *, as_json: bool) -> None:
    """Show how a job ended; exits with 1 when it, or some of its documents, failed."""
    if not as_json:
        click.echo("  ".join(filter(None, (record.status.value.lower(), counts(record)))))
        show_end(lake, record)
        return
    _print_job(job, record)
    if record.progress.get("failed") or record.status is not JobStatus.COMPLETED:
        raise click.exceptions.Exit(1)


def _print_job(job: JobHandle, record: JobRecord) -> None:
    """A job as the API answers with it, with the entry that it makes where there is one."""
    print_json(job.accepted.model_dump(mode="json", exclude_defaults=True) | record.model_dump(mode="json"))


def show_end(lake: OmniLake, record: JobRecord, *, told: bool = False) -> None:
    """Why a job, or some of its documents, failed; exits with 1 then.

    Args:
        told: the job's own error was shown before.
    """
    if record.error is not None and not told:
        click.echo(f"{record.error.code}: {record.error.message} {record.error.action}", err=True)
    count = record.progress.get("failed", 0)
    if count:
        show_failed(lake.jobs.items(record.job_id, status="FAILED", limit=_SHOWN).all())
        if count > _SHOWN:
            click.echo(f"  … and {count - _SHOWN} more: omnilake jobs failed {record.job_id}")
        click.echo(f"Again, only these: omnilake jobs retry {record.job_id}")
    if count or record.status is not JobStatus.COMPLETED:
        raise click.exceptions.Exit(1)


def show_failed(items: list[JobItem]) -> None:
    """Documents that failed, a line each."""
    for item in items:
        told = f"{item.error.code}: {item.error.message}" if item.error else item.status
        click.echo(f"  {item.name}: {told}")
