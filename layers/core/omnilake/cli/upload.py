"""``omnilake upload``: files and folders into an archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from omnilake.client.deployment import Deployment
from omnilake.client.uploading import Upload
from omnilake.clock import now
from omnilake.ingest.contents import EFFECTIVE_METADATA, SOURCE_METADATA


@click.command()
@click.argument("archive_id")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--metadata", "-m", multiple=True, metavar="NAME=VALUE", help="Free metadata of all these files.")
@click.option(
    "--source", default="", help="Where the one file comes from; its versions are one entry, whatever its path."
)
@click.option("--effective-on", default="", help="ISO 8601 date or time from which the content holds.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the documents are searchable.")
@click.pass_obj
def upload(
    stack: str,
    archive_id: str,
    paths: tuple[Path, ...],
    metadata: tuple[str, ...],
    source: str,
    effective_on: str,
    wait: bool,
) -> None:
    """Upload files and folders; their ingestion starts by itself.

    Documents that can't be ingested are listed with their reasons, and the exit code is 1.
    """
    uploads = [each for path in paths for each in files_below(path)]
    if not uploads:
        raise click.UsageError("There is no file to upload.")
    if source and len(uploads) > 1:
        raise click.UsageError("A source is of one file.")
    told = _pairs(metadata) | {SOURCE_METADATA: source, EFFECTIVE_METADATA: effective_on}
    told = {name: value for name, value in told.items() if value}
    uploads = [replace(each, metadata=told) for each in uploads]
    outcomes = ingest(Deployment(stack), archive_id, uploads, wait=wait)
    if any(outcome["status"] == "FAILED" for outcome in outcomes.values()):
        raise click.exceptions.Exit(1)


def _pairs(metadata: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in metadata]
    if not all(name and equals for name, equals, _ in pairs):
        raise click.UsageError("Metadata are given as NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def files_below(path: Path) -> list[Upload]:
    """A file as it is; the files of a folder, named by their path below it. Hidden files are left out."""
    if path.is_file():
        return [Upload(path, path.name)]
    return [
        Upload(each, f"{path.name}/{each.relative_to(path).as_posix()}")
        for each in sorted(path.rglob("*"))
        if each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts)
    ]


def ingest(
    deployment: Deployment, archive_id: str, uploads: Sequence[Upload], *, wait: bool = True
) -> dict[str, dict[str, Any]]:
    """Upload with progress bars and, if wanted, wait for every document's outcome; returns outcomes by name."""
    console = Console()
    started = now()
    outcomes: dict[str, dict[str, Any]] = {}
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        sent = progress.add_task("Upload", total=len(uploads), note="")
        done = progress.add_task("Ingest", total=len(uploads), note="", visible=wait)
        deployment.upload(archive_id, uploads, lambda _: progress.advance(sent))
        if not wait:
            return outcomes
        for outcomes in deployment.follow_ingestion(archive_id, [each.name for each in uploads], started):
            progress.update(done, completed=len(outcomes), note=_tally(outcomes))
    for name, outcome in sorted(outcomes.items()):
        if outcome["status"] == "FAILED":
            error = outcome["error"]
            console.print(f"  {name}: {error['code']}: {error['message']}", style="red", markup=False)
    return outcomes


def _tally(outcomes: dict[str, dict[str, Any]]) -> str:
    counts = Counter(outcome["status"].lower() for outcome in outcomes.values())
    chunks = sum(outcome.get("chunks", 0) for outcome in outcomes.values())
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + (
        f", {chunks} chunks" if chunks else ""
    )
