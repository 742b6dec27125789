"""An answer becomes an entry of a destination archive, and can be found and cited like any other.

It goes in as a collection of one ``Record``. Its identity is the job, so publishing again ingests nothing twice. Its
lineage stands in its metadata: the job, and the entry versions that the answer cites. A tenant's answer stays the
tenant's.
"""

from __future__ import annotations

from omnilake import aws, entries, jobs, layout
from omnilake.errors import ArchiveBeingDeleted, ArchiveNotFound
from omnilake.ingest import collections
from omnilake.ingest.contents import MAX_RECORD_METADATA
from omnilake.models import Answer, ErrorRecord, InformationRequest, Record, WrittenBack

SOURCE_TYPE = "answer"
"""Source type of entries that were answers: filters can keep them in or out."""

_LINEAGE_CHARACTERS = MAX_RECORD_METADATA // 2


def write_back(answer: Answer, request: InformationRequest) -> WrittenBack:
    """Start the ingestion of an answer into its destination archive; may be repeated.

    Raises:
        TransientError: it could not be started now.
    """
    archive_id = request.destination_archive
    key = f"answer/{answer.job_id}"
    asked = jobs.get(answer.job_id)
    record = record_of(answer, request, asked.created_at)
    records = aws.lake().write_models(layout.collection_records(collections.job_id_of(archive_id, key), 0), [record])
    wanted = collections.CollectionRequest(
        archive_id=archive_id, batch_files=[records], parent_job_id=answer.job_id, started_by=asked.started_by
    )
    try:
        started = collections.start(wanted, key)
    except (ArchiveNotFound, ArchiveBeingDeleted) as error:  # it was there when the request was planned
        return WrittenBack(archive_id=archive_id, error=ErrorRecord.of(error))
    return WrittenBack(
        archive_id=archive_id,
        entry_id=entries.entry_id_of(archive_id, SOURCE_TYPE, record.record_id),
        job_id=started.job_id,
    )


def record_of(answer: Answer, request: InformationRequest, asked_at: str) -> Record:
    """The document that an answer is: its question as title, a claim a paragraph, its lineage as metadata.

    Args:
        asked_at: ISO 8601; the same for each try, as all of it is.
    """
    return Record(
        source_type=SOURCE_TYPE,
        record_id=answer.job_id,
        title=" ".join(request.question.split())[:1_024],
        url=f"s3://{aws.lake().bucket}/{layout.answer_part(answer.job_id, 'answer')}",
        text="\n\n".join(claim.text for claim in answer.claims),
        updated_at=asked_at,
        metadata=lineage(answer) | {name: value for name, value in request.tenant.model_dump().items() if value},
    )


def lineage(answer: Answer) -> dict[str, str]:
    """Metadata that says what an answer came from: ``derived_from`` lists ``<entry>/<version>`` of all that it cites.

    Where the list is too long, ``derived_from_left_out`` counts the rest; the answer itself has all of them.
    """
    cited = list(dict.fromkeys(f"{each.entry_id}/{each.version}" for each in answer.citations))
    kept = cited
    while len(" ".join(kept)) > _LINEAGE_CHARACTERS:
        kept = kept[:-1]
    told = {"answer_job": answer.job_id, "derived_from": " ".join(kept)}
    return told if kept == cited else told | {"derived_from_left_out": str(len(cited) - len(kept))}
