"""``omnilake upload``: files and folders into an archive."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from omnilake.cli import connection
from omnilake.cli.connection import counted, going_on, json_option, print_json, wait_option
from omnilake.cli.following import bars
from omnilake.client.client import OmniLake
from omnilake.client.types import UploadTarget
from omnilake.client.uploading import Upload
from omnilake.clock import now
from omnilake.errors import ArchiveNotFound, DocumentError, InvalidFields, InvalidUpload, StageFailed
from omnilake.models import DocumentStatus, ErrorRecord, JobKind

SOURCE_METADATA, EFFECTIVE_METADATA = "omnilake-source", "omnilake-effective-on"
"""User metadata of an upload that mean something (``omnilake.ingest.contents``)."""

_AT_ONCE = 8
_POLL_S = 0.5


@click.command(short_help="Upload files, folders and globs.")
@click.argument("archive_id")
@click.argument("patterns", nargs=-1, required=True, metavar="PATHS...")
@click.option("--metadata", "-m", multiple=True, metavar="NAME=VALUE", help="Free metadata of all these files.")
@click.option(
    "--source",
    default="",
    metavar="ADDRESS",
    help="Where the one file comes from; its versions are one entry, whatever its path.",
)
@click.option("--effective-on", default="", metavar="WHEN", help="ISO 8601 date or time from which the content holds.")
@wait_option("the documents are searchable")
@json_option
@click.pass_obj
def upload(
    stack: str,
    archive_id: str,
    patterns: tuple[str, ...],
    metadata: tuple[str, ...],
    source: str,
    effective_on: str,
    wait: bool,
    as_json: bool,
) -> None:
    """Upload files, folders and globs ("notes/**/*.md"); their ingestion starts by itself.

    Documents that can't be ingested are listed with their reasons, and the exit code is 1. As JSON: a list of
    all documents, each as it stands in its job.
    """
    uploads = [each for path in expanded(patterns) for each in files_below(path)]
    if not uploads:
        raise click.UsageError("There is no file to upload.")
    if source and len(uploads) > 1:
        raise click.UsageError("A source is of one file.")
    told = _pairs(metadata) | {SOURCE_METADATA: source, EFFECTIVE_METADATA: effective_on}
    told = {name: value for name, value in told.items() if value}
    uploads = [replace(each, metadata=told) for each in uploads]
    outcomes = ingest(connection.connect(stack), archive_id, uploads, wait=wait, quiet=as_json)
    if as_json:
        print_json([{"name": name, **outcome} for name, outcome in sorted(outcomes.items())])
    if any(outcome["status"] == "FAILED" for outcome in outcomes.values()):
        raise click.exceptions.Exit(1)


def _pairs(metadata: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in metadata]
    if not all(name and equals for name, equals, _ in pairs):
        raise click.UsageError("Metadata are given as NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def expanded(patterns: Sequence[str]) -> list[Path]:
    """Files and folders of these names; of a name that does not exist, what it matches as a glob (``**`` is any depth).

    Raises:
        click.BadParameter: there is nothing of that name.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        root, below = (Path(path.anchor), path.relative_to(path.anchor)) if path.anchor else (Path(), path)
        told = [path] if path.exists() else sorted(root.glob(str(below)))
        if not told:
            raise click.BadParameter(f"There is no file or folder {pattern!r}.", param_hint="PATHS")
        found |= dict.fromkeys(told)
    return [*found]


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
    lake: OmniLake, archive_id: str, uploads: Sequence[Upload], *, wait: bool = True, quiet: bool = False
) -> dict[str, dict[str, Any]]:
    """Upload with progress bars and, if wanted, wait for every document's outcome; returns outcomes by name.

    A file that can't be taken is a failed document; the others go on. Without waiting, these are PENDING.

    Args:
        quiet: nothing on the standard output.
    """
    console = Console(stderr=True)
    started = now()
    refused: dict[str, dict[str, Any]] = {}
    sent: dict[str, dict[str, Any]] = {}
    outcomes: dict[str, dict[str, Any]] = {}
    with bars(console) as progress:
        uploading = progress.add_task("Upload", total=len(uploads), note="")
        done = progress.add_task("Ingest", total=len(uploads), note="", visible=wait)

        def put(upload: Upload) -> None:
            try:
                target = _send(lake, archive_id, upload)
                sent[upload.name] = {"status": DocumentStatus.PENDING.value, "entry_id": target.entry_id}
            except ArchiveNotFound:
                raise
            except (DocumentError, InvalidFields, InvalidUpload, StageFailed) as error:
                refused[upload.name] = {"status": "FAILED", "error": ErrorRecord.of(error).model_dump()}
            progress.advance(uploading)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(put, uploads))
        if wait:
            names = {each.name for each in uploads} - set(refused)
            with going_on(f"What was uploaded is ingested. Follow: omnilake jobs ls --archive {archive_id}"):
                for outcomes in follow_uploads(lake, archive_id, names, started):
                    known = outcomes | refused
                    progress.update(done, completed=len(known), note=_tally(known))
    outcomes = (outcomes if wait else sent) | refused
    if not quiet:
        _tell(outcomes, tally=wait and not console.is_terminal)
        if sent and not wait:
            taken = counted(len(uploads) - len(refused), "file")
            click.echo(f"{taken} uploaded. Follow: omnilake jobs ls --archive {archive_id}")
    return outcomes


def _tell(outcomes: dict[str, dict[str, Any]], *, tally: bool) -> None:
    for name, outcome in sorted(outcomes.items()):
        if outcome["status"] == "FAILED":
            error = outcome["error"]
            click.echo(f"  {name}: {error['code']}: {error['message']}")
    if tally:
        click.echo(_tally(outcomes))


def _send(lake: OmniLake, archive_id: str, upload: Upload) -> UploadTarget:
    try:
        return lake.entries.upload(archive_id, upload.path, upload.name, metadata=upload.metadata)
    except OSError as error:
        raise DocumentError(f"The file can't be read: {error.strerror or type(error).__name__}.") from error


def follow_uploads(
    lake: OmniLake, archive_id: str, names: Set[str], since: str, timeout_s: float = 1_800
) -> Iterator[dict[str, dict[str, Any]]]:
    """Outcomes of uploaded documents by name, again and again as they come in, until all have one.

    Raises:
        TimeoutError: some have none after ``timeout_s`` seconds.
    """
    deadline = time.monotonic() + timeout_s
    outcomes: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    while True:
        for job in lake.jobs.list(kind=JobKind.INGEST_DOCUMENT, archive_id=archive_id, since=since):
            if job.ended_at and job.job_id not in seen:
                seen.add(job.job_id)
                outcomes |= {
                    each["name"]: each for each in job.documents if each["name"] in names and not _elsewhere(each)
                }
        yield outcomes
        if len(outcomes) == len(names):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(names) - len(outcomes)} documents have no outcome after {timeout_s:.0f} s.")
        time.sleep(_POLL_S)


def _elsewhere(document: dict[str, Any]) -> bool:
    """Whether another execution has this object version, whose outcome is then the document's."""
    return bool(document["status"] == DocumentStatus.DUPLICATE and not document.get("duplicate_of"))


def _tally(outcomes: dict[str, dict[str, Any]]) -> str:
    counts = Counter(outcome["status"].lower() for outcome in outcomes.values())
    chunks = sum(outcome.get("chunks", 0) for outcome in outcomes.values())
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) + (
        f", {counted(chunks, 'chunk')}" if chunks else ""
    )
