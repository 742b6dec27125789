"""Whether search, manifests, registry and landing zone tell the same of a set of documents, exactly.

:func:`look` reads all four as they are, :func:`compare` is pure: it finds what is lost, what is there twice, and
whatever else disagrees.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

COMPLETED, DUPLICATE, SUPERSEDED, FAILED, LOST = "COMPLETED", "DUPLICATE", "SUPERSEDED", "FAILED", "LOST"

MARK = re.compile(r"\bnote\d{4}v\d\b")
"""How contents are marked."""

Place = tuple[str, str]
"""Where a document was handed over: landing key and object version, or address of a manifest and line."""


@dataclass(frozen=True)
class Sent:
    """A document as it was handed over.

    Attributes:
        name: path below the archive, or id of the record.
        place: of this very version.
        entry_id: that it belongs to by its name.
        content_hash: as the registry has it; empty for what can't be ingested.
        mark: a word that only this content has.
        md5: of the bytes of an upload, hex.
        code: that it must fail with; empty for good ones.
    """

    name: str
    place: Place
    entry_id: str
    content_hash: str = ""
    mark: str = ""
    md5: str = ""
    code: str = ""


@dataclass(frozen=True)
class Told:
    """What a batch's outcomes say of a document."""

    job_id: str
    place: Place
    status: str
    entry_id: str = ""
    version: str = ""
    chunks: int = 0
    duplicate_of: str = ""
    code: str = ""

    @property
    def final(self) -> bool:
        """Not the note that another execution has this object version."""
        return self.status != DUPLICATE or bool(self.duplicate_of)


@dataclass(frozen=True)
class Observed:
    """All that four places say of one archive.

    Attributes:
        entries: items of the registry.
        claims: owner (entry id, version) of each content hash that is claimed.
        rows: of the store: chunk_id, entry_id, version, text.
        told: outcomes in the batches' manifests.
        disagreeing_jobs: whose record says something else than their manifest, or that are open.
        landed: landing keys of the archive with the MD5 sums of all their versions.
    """

    entries: Sequence[dict[str, Any]] = ()
    claims: dict[str, tuple[str, str]] = field(default_factory=dict)
    rows: Sequence[dict[str, Any]] = ()
    told: Sequence[Told] = ()
    disagreeing_jobs: Sequence[str] = ()
    landed: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Census:
    """What :func:`compare` found.

    Attributes:
        fates: status of each document by place; LOST when it has none that holds.
        codes: of documents that failed, by place.
        twice: what is searchable more than once.
        disagreements: everything else that does not agree, one sentence each.
    """

    fates: dict[Place, str] = field(default_factory=dict)
    codes: dict[Place, str] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)

    def count(self, *statuses: str) -> int:
        """Documents with one of these fates."""
        return sum(fate in statuses for fate in self.fates.values())

    @property
    def lost(self) -> list[Place]:
        """Documents without a fate that holds."""
        return [place for place, fate in self.fates.items() if fate == LOST]


def compare(sent: Sequence[Sent], seen: Observed, runs: int = 1) -> Census:
    """Compare what was handed over with all that is seen of it.

    Args:
        runs: how often documents may have had an outcome: one more than there were retries.
    """
    census = Census()
    by_entry: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in seen.entries:
        by_entry[item["entry_id"]].append(item)
    for items in by_entry.values():
        items.sort(key=lambda item: str(item["version"]), reverse=True)
    _rows(seen, census)
    _registry(seen, by_entry, census)
    _outcomes(sent, seen, runs, census)
    _fates(sent, seen, by_entry, census)
    _zones(sent, seen, census)
    census.disagreements += [f"job {job_id} and its manifest" for job_id in seen.disagreeing_jobs]
    return census


def _rows(seen: Observed, census: Census) -> None:
    found = Counter((row["entry_id"], row["version"]) for row in seen.rows)
    wanted = {
        (item["entry_id"], item["version"]): int(item.get("chunks", 0))
        for item in seen.entries
        if item["status"] == COMPLETED
    }
    for key in sorted(found.keys() | wanted.keys()):
        if found[key] != wanted.get(key, 0):
            census.disagreements.append(f"{'/'.join(key)}: {found[key]} rows, {wanted.get(key, 0)} chunks registered")
    ids = Counter(row["chunk_id"] for row in seen.rows)
    census.twice += [f"chunk {chunk_id}: {count} rows" for chunk_id, count in ids.items() if count > 1]


def _registry(seen: Observed, by_entry: dict[str, list[dict[str, Any]]], census: Census) -> None:
    for entry_id, items in by_entry.items():
        current = [item for item in items if item["status"] == COMPLETED]
        if len(current) > 1:
            census.twice.append(f"entry {entry_id}: {len(current)} versions are current")
        for item in items:
            itself = f"{entry_id}/{item['version']}"
            if item["status"] not in {COMPLETED, DUPLICATE, SUPERSEDED, FAILED}:
                census.disagreements.append(f"{itself} stayed {item['status']}")
            owner = seen.claims.get(item["content_hash"])
            if item["status"] == COMPLETED and owner != (entry_id, item["version"]):
                census.disagreements.append(f"{itself} is current and does not hold its content")
            if item["status"] == FAILED and owner == (entry_id, item["version"]):
                census.disagreements.append(f"{itself} failed and still holds its content")
            if item["status"] == SUPERSEDED and not (current and current[0]["version"] > item["version"]):
                census.disagreements.append(f"{itself} is superseded by nothing")


def _outcomes(sent: Sequence[Sent], seen: Observed, runs: int, census: Census) -> None:
    registered = {(item["entry_id"], item["version"]): item for item in seen.entries}
    wanted_of = {
        COMPLETED: {COMPLETED, SUPERSEDED},
        DUPLICATE: {DUPLICATE, COMPLETED, SUPERSEDED},
        FAILED: {FAILED},
    }
    spoken: set[tuple[str, str, str]] = set()
    for told in seen.told:
        if not told.entry_id:
            continue
        spoken.add((told.job_id, told.entry_id, told.version))
        item = registered.get((told.entry_id, told.version))
        itself = f"{told.entry_id}/{told.version} of job {told.job_id}"
        if item is None:
            census.disagreements.append(f"{itself} is {told.status} and not registered")
        elif item["job_id"] != told.job_id:
            if told.status != FAILED:  # else a retry has taken it over
                census.disagreements.append(f"{itself} is {told.status}; the registry names job {item['job_id']}")
        elif item["status"] not in wanted_of.get(told.status, {told.status}):
            census.disagreements.append(f"{itself} is {told.status}; the registry says {item['status']}")
        elif told.status == COMPLETED and int(item.get("chunks", 0)) != told.chunks:
            census.disagreements.append(f"{itself} has {told.chunks} chunks; the registry says {item.get('chunks')}")
        elif told.status == FAILED and item.get("error_code") != told.code:
            census.disagreements.append(f"{itself} failed with {told.code}; the registry says {item.get('error_code')}")
    for item in seen.entries:
        if (item["job_id"], item["entry_id"], item["version"]) not in spoken:
            census.disagreements.append(f"{item['entry_id']}/{item['version']} is in no manifest of {item['job_id']}")
    finals: dict[Place, list[str]] = defaultdict(list)
    for told in seen.told:
        if told.final:
            finals[told.place].append(told.status)
    for each in sent:
        statuses = finals[each.place]
        if len(statuses) > runs or len(statuses) - statuses.count(FAILED) > 1:
            census.disagreements.append(f"{each.name} ({each.place[1]}) has the outcomes {', '.join(statuses)}")


def _fates(sent: Sequence[Sent], seen: Observed, by_entry: dict[str, list[dict[str, Any]]], census: Census) -> None:
    failures: dict[Place, str] = {each.place: each.code for each in seen.told if each.status == FAILED and each.code}
    current = {(item["entry_id"], item["version"]): item for item in seen.entries if item["status"] == COMPLETED}
    marks: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in seen.rows:
        for mark in MARK.findall(row["text"]):
            marks[mark].add((row["entry_id"], row["version"]))
    for each in sent:
        items = [item for item in by_entry[each.entry_id] if item["content_hash"] == each.content_hash]
        census.fates[each.place] = _fate(each, items, current, seen, failures)
        if census.fates[each.place] == FAILED:
            census.codes[each.place] = failures.get(each.place) or str(items[0].get("error_code", ""))
            if not census.codes[each.place]:
                census.disagreements.append(f"{each.name} failed without a reason")
        if each.mark and len(marks[each.mark]) > 1:
            census.twice.append(f"content {each.mark}: in {len(marks[each.mark])} entry versions")
        itself = any(entry_id == each.entry_id for entry_id, _ in marks[each.mark])
        if each.mark and census.fates[each.place] in {COMPLETED, DUPLICATE} and not marks[each.mark]:
            census.fates[each.place] = LOST
        elif census.fates[each.place] in {SUPERSEDED, FAILED} and itself:
            census.disagreements.append(f"{each.name} is {census.fates[each.place]} and searchable")
        if each.code and census.codes.get(each.place) != each.code:
            census.disagreements.append(f"{each.name} should have failed with {each.code}")


def _fate(
    each: Sent,
    items: list[dict[str, Any]],
    current: dict[tuple[str, str], dict[str, Any]],
    seen: Observed,
    failures: dict[Place, str],
) -> str:
    """Fate of a document by the newest version that has its content, or by its failure before it had one."""
    if not items:
        return FAILED if each.place in failures else LOST
    status = str(items[0]["status"])
    if any(item["status"] == COMPLETED for item in items):
        return COMPLETED
    if status == DUPLICATE:
        owner = seen.claims.get(each.content_hash, ("", ""))
        return DUPLICATE if owner in current else LOST
    if status == SUPERSEDED:
        return SUPERSEDED
    return FAILED if status == FAILED else LOST


def _zones(sent: Sequence[Sent], seen: Observed, census: Census) -> None:
    for key in seen.landed:
        if key.startswith("incoming/"):
            census.disagreements.append(f"{key} was left behind")
    for each in sent:
        if not each.md5:
            continue
        below = each.place[0].removeprefix("incoming/")
        zones = ("failed/" if census.fates[each.place] == FAILED else "processed/", "archived/")
        kept: Iterable[str] = (
            key
            for key, sums in seen.landed.items()
            if key.startswith(tuple(zone + below for zone in zones)) and each.md5 in sums
        )
        if next(iter(kept), None) is None:
            census.disagreements.append(f"the original of {each.name} ({each.place[1]}) is not in {' or '.join(zones)}")


# --- looking ----------------------------------------------------------------------------------------------------


def look(deployment: Any, archive_id: str, since: str, hashes: Iterable[str]) -> Observed:
    """Read the registry, the store, the manifests and the landing zone of an archive.

    Args:
        deployment: whose settings are those of this process.
        archive_id: with no more than some thousands of documents.
        since: when its first job may have started, ISO 8601.
        hashes: contents whose claims are looked up.
    """
    from omnilake import aws
    from omnilake.entries import BY_ARCHIVE_STATUS
    from omnilake.models import DocumentStatus

    table = aws.Table(deployment.outputs["EntriesTable"])
    entries = [
        item
        for status in DocumentStatus
        for item in table.query(
            IndexName=BY_ARCHIVE_STATUS,
            KeyConditionExpression="archive_status = :wanted",
            ExpressionAttributeValues={":wanted": f"{archive_id}#{status.value}"},
        )
    ]
    registrations = aws.Table(deployment.outputs["RegistrationsTable"])
    claims = {}
    for content_hash in set(hashes):
        if item := registrations.get({"registration_id": f"content#{archive_id}#{content_hash}"}):
            claims[content_hash] = (str(item["entry_id"]), str(item["version"]))
    told, disagreeing = _manifests(deployment, archive_id, since)
    return Observed(entries, claims, _store(archive_id), told, disagreeing, _landed(deployment, archive_id))


def _manifests(deployment: Any, archive_id: str, since: str) -> tuple[list[Told], list[str]]:
    from omnilake import aws, layout
    from omnilake.ingest import stages
    from omnilake.ingest.publish import outcome
    from omnilake.models import ENDED

    told: list[Told] = []
    disagreeing = []
    for job in deployment.ingestions(archive_id, since):
        ended = job.status in ENDED
        if not ended or aws.lake().head(layout.batch(job.job_id, stages.PUBLISHED)) is None:
            disagreeing.append(job.job_id)
            continue
        batch = stages.read(job.job_id, stages.PUBLISHED)
        if [outcome(document) for document in batch.documents] != job.documents:
            disagreeing.append(job.job_id)
        told += [
            Told(
                job_id=job.job_id,
                place=place_of(each.ref),
                status=each.status.value,
                entry_id=each.entry_id,
                version=each.version,
                chunks=each.chunks,
                duplicate_of=each.duplicate_of,
                code=each.error.code if each.error and each.status.value == FAILED else "",
            )
            for each in batch.documents
        ]
    return told, disagreeing


def place_of(ref: Any) -> Place:
    """Place of an ``ObjectRef``."""
    return (ref.key, ref.version_id or "") if ref.line is None else (ref.key, f"line {ref.line}")


def _store(archive_id: str) -> list[dict[str, Any]]:
    from omnilake import archives
    from omnilake.stores.table import open_store

    table = open_store(archives.get_store(archives.get_archive(archive_id)))
    columns = ["chunk_id", "entry_id", "version", "text"]
    rows: list[dict[str, Any]] = table.search().select(columns).limit(1_000_000).to_arrow().to_pylist()
    return rows


def _landed(deployment: Any, archive_id: str) -> dict[str, list[str]]:
    from omnilake import aws

    landed: dict[str, list[str]] = defaultdict(list)
    pages = aws.client("s3").get_paginator("list_object_versions")
    for zone in ("incoming/", "processed/", "archived/", "failed/"):
        for page in pages.paginate(Bucket=deployment.outputs["LandingBucket"], Prefix=f"{zone}{archive_id}/"):
            for each in page.get("Versions", []):
                landed[each["Key"]].append(each["ETag"].strip('"'))
    return dict(landed)
