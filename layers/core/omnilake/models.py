"""The nouns. Everything that is stored in S3 or DynamoDB, or travels between states, is one of these.

Offsets are character offsets (Python ``str`` indices) into the stored text of an entry version, end exclusive.
Times are UTC, ISO 8601. Money is in US dollars.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from omnilake.errors import OmniLakeError, by_name

MAX_QUESTION_CHARACTERS = 8_000
"""Longest question that is accepted, in characters."""

MAX_BATCH_DOCUMENTS = 100
"""Most documents in one ingestion batch (one execution)."""

ArchiveId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{2,62}$")]
JobId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,80}$")]


class Model(BaseModel):
    """Base of all nouns: unknown fields are errors, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- archives and stores ----------------------------------------------------------------------------------------


class EmbeddingSpace(Model):
    """Where vectors live. Vectors of two spaces are never compared or mixed.

    ``revision`` is the content hash of the model, so a changed model is another space.
    """

    provider: str
    model: str
    dimensions: int = Field(gt=0)
    normalised: bool
    revision: str

    @property
    def space_id(self) -> str:
        norm = "l2" if self.normalised else "raw"
        return f"{self.provider}/{self.model}/{self.dimensions}/{norm}/{self.revision[:12]}"


class Processor(StrEnum):
    """How the text of a document is read and cut: what it is, not which file format it came in."""

    PROSE = "prose"  # headings, paragraphs, lists, tables
    ROWS = "rows"  # a table of records: a summary of its columns, then row by row
    CONVERSATION = "conversation"  # messages of a chat, in threads
    TRANSCRIPT = "transcript"  # turns of speakers
    CODE = "code"  # definitions of a programming language


class ChunkingConfig(Model):
    """How an archive's text is cut. Sizes in tokens of the embedding model's own tokenizer."""

    kind: Literal["auto", "fixed", "structure", "conversation", "code", "rows", "transcript"] = "auto"
    """``auto`` takes the way that fits the document's :class:`Processor`."""
    max_tokens: int = Field(default=220, ge=16, le=8_192)
    overlap_tokens: int = Field(default=32, ge=0, le=512)
    parent_tokens: int | None = Field(default=None, ge=32, le=65_536)
    """With it each chunk knows the larger span of about so many tokens that it lies in (parent and child)."""
    gap_minutes: int = Field(default=60, ge=1, le=10_080)
    """A pause of so many minutes between messages ends a conversation's window."""
    contextual_headers: bool = True
    """Whether title and section path are embedded and indexed with each chunk (never part of its quotes)."""


class ProcessingRule(Model):
    """Routes a kind of document to its processor. All conditions that are given must hold; the first rule wins."""

    media_types: list[str] = []  # exact, or "text/*"
    names: list[str] = []  # globs over the document's name (fnmatch, case ignored): "sales/*.csv"
    columns: list[str] = []  # all of these stand among the columns of a table (case ignored)
    metadata: dict[str, str] = {}  # the document's own metadata has these values
    processor: Processor
    chunking: ChunkingConfig | None = None  # in place of the archive's


PrincipalPattern = Annotated[str, StringConstraints(pattern=r"^[^\s*]{1,400}\*?$|^\*$")]
"""Who: the name of a principal or group exactly, or the beginning of one with a ``*`` at its end (``api.access``)."""


class ArchiveAccess(Model):
    """Who besides its owner may do what with an archive; administer includes write, write includes read."""

    read: list[PrincipalPattern] = Field(default=[], max_length=200)
    write: list[PrincipalPattern] = Field(default=[], max_length=200)
    administer: list[PrincipalPattern] = Field(default=[], max_length=200)


class Archive(Model):
    """A logical grouping of entries. Owns its chunking, embedding space and store."""

    archive_id: ArchiveId
    description: str = Field(default="", max_length=1_000)
    space: EmbeddingSpace
    chunking: ChunkingConfig = ChunkingConfig()
    rules: list[ProcessingRule] = Field(default=[], max_length=100)
    """Looked at before the product's own (``ingest.rules``)."""
    retain_latest_originals_only: bool = True
    """Only the newest version of each source is in search; otherwise all versions are."""
    tag_hints: list[str] = Field(default=[], max_length=200)
    """Tags that insights should prefer."""
    insights_schema: dict[str, Any] | None = None
    """JSON Schema of further fields that insights extract (``Insights.fields``)."""
    store_id: str
    created_at: str
    owner: str = ""
    """Principal that created it through the API; empty: made by its function directly, for operators only."""
    access: ArchiveAccess = ArchiveAccess()
    revision: int = 1
    """Grows with each change of its definition or access."""
    deletion_job_id: str = ""
    """Job that deletes it with all that it holds; it takes nothing in meanwhile."""

    @property
    def configuration_hash(self) -> str:
        """What of the archive's configuration decides how a document is read and cut; 12 hex digits."""
        told = self.model_dump_json(include={"space", "chunking", "rules"})
        return hashlib.sha256(told.encode()).hexdigest()[:12]


class Store(Model):
    """One LanceDB table: a shard of an archive in one embedding space."""

    store_id: str
    archive_id: ArchiveId
    space: EmbeddingSpace
    uri: str  # s3://bucket/stores, the LanceDB database that holds the table named store_id
    created_at: str


# --- documents on their way in ----------------------------------------------------------------------------------


class ErrorRecord(Model):
    """An error as it stands on a job or entry record, or beside an object under ``failed/``."""

    code: str
    message: str
    action: str = ""

    @classmethod
    def of(cls, error: OmniLakeError) -> ErrorRecord:
        return cls(code=error.code, message=error.message, action=error.action)

    @classmethod
    def of_state(cls, error: str, cause: str) -> ErrorRecord:
        """The error a state ended with, as Step Functions tells it.

        Args:
            error: error name: one of ours, or of AWS ("States.Timeout", "Lambda.TooManyRequestsException").
            cause: of a Lambda's error a JSON object with ``errorMessage``; kept without the name of its code.
        """
        try:
            told = json.loads(cause)
            message = str(told["errorMessage"]) if isinstance(told, dict) and "errorMessage" in told else cause
        except ValueError:
            message = cause
        ours = by_name(error)
        if ours is None:
            code = (
                re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", error).upper()).strip("_")
                or "UNKNOWN"
            )
            # Messages of foreign errors may quote what was being worked on: only our own are kept.
            return cls(
                code=code, message=f"The state ended with {error or 'an unnamed error'}.", action=OmniLakeError.advice
            )
        message = message.removeprefix(f"{ours.code}: ").removesuffix(ours.advice).strip()
        return cls(code=ours.code, message=message[:1_000], action=ours.advice)


class ObjectRef(Model):
    """One version of one S3 object, or one line of it (a record of a JSON lines file)."""

    bucket: str
    key: str
    version_id: str | None = None
    size: int = Field(default=0, ge=0)
    etag: str = ""
    sequencer: str = ""  # S3's order of events of one key, hex
    line: int | None = Field(default=None, ge=0)  # 0-based: the document is this line, a ``Record``
    name: str = ""  # the document's name where the key does not say it (a line of a manifest named it)

    @property
    def identity(self) -> str:
        """What tells two uploads of one key apart: the version, or where the event names none, the event's order."""
        whole = self.version_id or self.sequencer or self.etag or "null"
        return whole if self.line is None else f"{whole}#{self.line}"


class Message(Model):
    """One message of a conversation."""

    author: str = ""
    text: str
    posted_at: str  # ISO 8601, UTC
    thread: str = ""  # messages of one thread share it; empty: not in a thread
    url: str = ""


_CONTENT_ID = re.compile(r"[0-9a-f]{32}")


def is_content_id(name: str) -> bool:
    """Whether a record's id was made of its content (``ingest.inline``), so that it says nothing to people."""
    return _CONTENT_ID.fullmatch(name) is not None


class Record(Model):
    """A document that comes as a line of a JSON lines file: from a connector, or from whoever writes a manifest.

    It holds ``text`` of a media type, or ``messages``, or it says that the document is ``deleted`` at its source.
    """

    source_type: str = Field(min_length=1, max_length=64)  # slack, gitlab, backlog, discord, website, or a writer's own
    record_id: str = Field(min_length=1, max_length=1_024)  # with the type: the identity of the entry
    title: str = Field(default="", max_length=1_024)
    url: str = Field(default="", max_length=4_096)  # what citations link to
    media_type: Literal["text/plain", "text/markdown", "text/html"] = "text/plain"
    text: str = ""
    messages: list[Message] = []
    updated_at: str  # ISO 8601: orders the versions
    effective_on: str = ""  # ISO 8601 date or time from which the content holds; orders before ``updated_at``
    deleted: bool = False
    metadata: dict[str, str] = {}

    @property
    def content_hash(self) -> str:
        """sha256, hex, of all that makes the document; a record that only was fetched again keeps it."""
        told = self.model_dump(mode="json", exclude={"updated_at"})
        return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class BatchManifest(Model):
    """What one ``ingest_document`` execution works on: 1..N documents of one archive."""

    job_id: JobId
    archive_id: str  # as the key said it; Register Documents checks it
    parent_job_id: str = ""  # of the collection that the batch is a part of
    started_by: str = ""  # as of that collection
    documents: list[ObjectRef] = Field(min_length=1, max_length=MAX_BATCH_DOCUMENTS)


class DocumentStatus(StrEnum):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    SUPERSEDED = "SUPERSEDED"  # a newer version took its place in search
    DUPLICATE = "DUPLICATE"
    EXPANDED = "EXPANDED"  # an archive file: its members are documents of their own
    DELETED = "DELETED"  # its source says that it is gone: out of search
    REMOVING = "REMOVING"  # a removal of the entry is under way
    REMOVED = "REMOVED"  # the lake holds nothing of it any more but that it was there
    FAILED = "FAILED"


class BatchDocument(Model):
    """One document of a batch as far as the batch has come; each state writes the batch anew, never in place."""

    ref: ObjectRef
    name: str  # path below incoming/<archive>/, or a record's id
    source: str  # what citations name: s3://bucket/key of the object, or the address that the document came with
    status: DocumentStatus
    entry_id: str = ""
    version: str = ""
    content_hash: str = ""  # sha256 of the bytes, hex
    source_type: str = ""
    received_at: str = ""  # ISO 8601
    effective_on: str = ""  # ISO 8601, when the document came with one
    metadata: dict[str, str] = {}  # free: of the upload, then of the document itself
    duplicate_of: str = ""  # "<entry_id>/<version>"
    media_type: str = ""
    processor: Processor = Processor.PROSE
    chunking: ChunkingConfig | None = None  # in place of the archive's, when the rule that chose the processor has one
    title: str = ""
    characters: int = 0
    chunks: int = 0
    members: int = 0  # of an archive file
    left_out: int = 0  # of an archive file: directories, and what operating systems put beside documents
    reindexed: bool = False  # its text is in the lake already: it is cut, embedded and indexed anew
    insights_status: InsightsStatus | None = None  # None: no insights were asked for
    insights_error: ErrorRecord | None = None  # does not fail the document
    error: ErrorRecord | None = None

    @property
    def live(self) -> bool:
        """Whether later states still work on it."""
        return self.status == DocumentStatus.PROCESSING


class LedgerLine(Model):
    """What one state call used."""

    state: str
    provider: str
    model: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class Batch(Model):
    """The documents of a batch after a state; stored as JSON in the lake."""

    job_id: JobId
    archive_id: str
    parent_job_id: str = ""  # of the collection that the batch is a part of
    documents: list[BatchDocument]
    embed_batches: int = 0
    chunks: int = 0
    error: ErrorRecord | None = None  # of the execution, when it failed with documents on their way
    ledger: list[LedgerLine] = []  # what models were paid for, as far as it is known


class SegmentKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    ROW = "row"
    CODE = "code"
    TURN = "turn"
    MESSAGE = "message"


class Segment(Model):
    """A structural span of an extracted text. Segments are in order, do not overlap, and leave out only white space."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    kind: SegmentKind
    level: int = 0  # heading level 1..6
    section: str = ""  # "Title > Chapter > Section" of the headings above
    page: int | None = None  # 1-based
    speaker: str | None = None
    time_s: float | None = None  # start of a transcript turn, seconds
    posted_at: float | None = None  # of a message, seconds since 1970, UTC
    thread: str | None = None  # messages of one thread share it
    header: str | None = None  # header line of the table that a row belongs to


class ExtractedDocument(Model):
    """Text of a document with its structure. ``text`` has no NUL and uses ``\\n`` line ends."""

    media_type: str
    processor: Processor = Processor.PROSE
    title: str
    text: str
    segments: list[Segment]
    metadata: dict[str, str] = {}  # what the document says of itself: author, subject, date, language …


class Chunk(Model):
    """A span of an entry version, embedded, indexed, retrieved and quoted. ``text == stored_text[start:end]``."""

    chunk_id: str
    entry_id: str
    version: str
    ordinal: int
    start: int
    end: int
    tokens: int  # of the text alone, by the embedding model's tokenizer, without special tokens
    text: str
    context: str = ""  # embedded and indexed with the text, never quoted (``embedding.passages``)
    title: str = ""
    source: str = ""
    section: str = ""
    page: int | None = None
    time_s: float | None = None
    posted_at: float | None = None
    speaker: str | None = None
    media_type: str = ""
    source_type: str = ""  # s3 (uploads), slack, gitlab, …; a writer's own
    received_at: str = ""  # when this version came, ISO 8601
    effective_on: str = ""  # from when its content holds, ISO 8601; empty: not said
    labels: list[str] = []  # "name=value" of the document's metadata, "tag=…" of its insights
    parent_start: int | None = None  # the larger span that it lies in, of archives with ``parent_tokens``
    parent_end: int | None = None


# --- sources ----------------------------------------------------------------------------------------------------


class SourceStatus(StrEnum):
    IDLE = "IDLE"  # waits for its next sync
    SYNCING = "SYNCING"
    FAILED = "FAILED"  # the last sync failed; the next one tries again


class Source(Model):
    """A place that content comes from, and the archive that it goes to."""

    source_id: str
    source_type: str = Field(min_length=1, max_length=64)
    archive_id: ArchiveId
    config: dict[str, Any] = {}  # of the type's model
    secret_name: str = ""  # of AWS Secrets Manager; empty: the source needs none
    schedule: str = ""  # EventBridge Scheduler's expression; empty: only on demand
    status: SourceStatus = SourceStatus.IDLE
    active_job_id: str = ""  # of the sync that runs
    active_since: str = ""
    last_job_id: str = ""
    last_synced_at: str = ""  # end of the last sync that completed
    error: ErrorRecord | None = None  # of the last sync, when it failed
    created_at: str
    updated_at: str


class StreamCursor(Model):
    """How far a stream of a source is ingested."""

    source_id: str
    stream: str
    cursor: dict[str, Any] | None = None  # the connector's own
    known_key: str = ""  # lake key of what is known of its records
    job_id: str  # of the sync that wrote it
    updated_at: str


# --- insights ---------------------------------------------------------------------------------------------------


Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f<>]*$")
]


def _in_calendar(text: str) -> str:
    date.fromisoformat(text + "-01" * (2 - text.count("-")))
    return text


PartialDate = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"), AfterValidator(_in_calendar)
]
"""A day, month or year of the calendar, ISO 8601: 2026-03-21, 2026-03, 2026."""


class Entity(Model):
    """Something that a document names."""

    name: str = Field(max_length=200)
    kind: str = Field(max_length=64)  # person, organisation, place, product, email, url, …


class Insights(Model):
    """What was extracted of a document as a whole. Never quoted: answers quote the text."""

    title: str = Field(max_length=300)
    summary: str = Field(max_length=4_000)
    tags: list[Tag] = Field(default=[], max_length=50)
    entities: list[Entity] = Field(default=[], max_length=200)
    dates: list[PartialDate] = Field(default=[], max_length=200)  # ISO 8601: 2026-03-21, or 2026-03
    fields: dict[str, Any] = {}  # of the archive's own JSON Schema
    provider: str  # who extracted it: "deterministic" or a model's id
    prompt: str = ""  # version of the prompt, or of the deterministic method
    address: str = ""  # sha256, hex, of all that decides the content: text, provider, prompt, tag hints, schema
    characters: int = Field(default=0, ge=0)  # of the document's text
    characters_read: int = Field(default=0, ge=0)  # of them: less when it is longer than the excerpt may be
    ledger: LedgerLine | None = None


class InsightsStatus(StrEnum):
    EXTRACTED = "EXTRACTED"
    FAILED = "FAILED"


# --- questions and answers --------------------------------------------------------------------------------------


class RetrievalMode(StrEnum):
    """What a question works over."""

    EXCLUSIVE = "EXCLUSIVE"  # only what matches it
    INCLUSIVE = "INCLUSIVE"  # everything in the archives that the filters let through, best tag matches first
    RELATED = "RELATED"  # the sources of an earlier answer


class FilterOperator(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    PREFIX = "prefix"


FilterValue = str | int | float | bool


class Filter(Model):
    """A condition on chunks; all that are given must hold. ``retrieval.filters`` lists fields and operators.

    An unknown field, or an operator that its field does not have, is an ``InvalidRequest``; never ignored.
    """

    field: str = Field(max_length=200)  # a field of FILTER_FIELDS, "metadata.<name>", or "column.<name>" of a table
    operator: FilterOperator = FilterOperator.EQ
    value: FilterValue | list[FilterValue]


class Tenant(Model):
    """Whose documents a request may see: each field that is given must stand in the document's own metadata."""

    business_id: str = Field(default="", max_length=200)
    region: str = Field(default="", max_length=200)


class AnswerStyle(StrEnum):
    CONCISE = "concise"
    DETAILED = "detailed"
    STEPS = "steps"


class Deliverable(StrEnum):
    """What a request ends with."""

    ANSWER = "answer"
    PROMPT = "prompt"  # the assembled prompt and its evidence, for the caller's own model
    QUOTE = "quote"  # what the answer would take: tokens, calls, money, time
    EVIDENCE = "evidence"  # the ranked evidence alone: no model is called for it


class ProviderChoices(Model):
    """Models of the configuration by their names there; empty: as it says for the step."""

    route: str = Field(default="", max_length=100)
    map: str = Field(default="", max_length=100)
    compose: str = Field(default="", max_length=100)
    judge: str = Field(default="", max_length=100)
    rerank: str = Field(default="", max_length=100)


class InformationRequest(Model):
    """A question with a goal, asked of archives."""

    archives: list[str] = Field(min_length=1, max_length=20)
    question: str
    goal: str = Field(default="", max_length=4_000)
    mode: RetrievalMode = RetrievalMode.EXCLUSIVE
    filters: list[Filter] = Field(default=[], max_length=50)
    tags: list[str] = Field(default=[], max_length=50)  # of INCLUSIVE: entries with more of them come first
    related_to: str = Field(default="", max_length=80)  # of RELATED: job id of the earlier answer
    tenant: Tenant = Tenant()
    retrievers: list[str] = Field(default=[], max_length=20)  # instead of what the router would choose
    style: AnswerStyle = AnswerStyle.CONCISE
    deliver: Deliverable = Deliverable.ANSWER
    providers: ProviderChoices = ProviderChoices()
    max_cost: float | None = Field(default=None, ge=0)  # US dollars
    max_tokens: int | None = Field(default=None, ge=0)  # read and written by models
    as_of: str = Field(default="", max_length=40)  # ISO 8601 date or time, or the version of a store
    destination_archive: str = Field(default="", max_length=200)  # the answer becomes an entry there
    evidence_limit: int = Field(default=24, ge=1, le=10_000)
    """Most chunks that are read for the answer. More than one context of them are compacted by map-reduce."""
    max_claims: int = Field(default=6, ge=1, le=50)
    replay_of: str = Field(default="", max_length=80)  # job whose recorded evidence and model outputs are used
    forked_from: str = Field(default="", max_length=80)  # job that this one repeats with something changed


class Scores(Model):
    """Of one chunk for one question. ``vector`` is the cosine similarity; ``full_text`` is BM25, unbounded."""

    vector: float | None = None
    full_text: float | None = None
    reranked: float | None = None
    fused: float = 0.0


class Evidence(Model):
    """A retrieved chunk with its scores."""

    chunk: Chunk
    scores: Scores
    archive_id: str = ""  # that it is from; empty of what a retriever made or fetched


class RetrieverResult(Model):
    """What one retriever found, best first; or the error it ended with (named in the answer's coverage).

    Where evidence has neither a vector nor a full-text score, its order is its rank.
    """

    retriever: str
    evidence: list[Evidence] = []
    matched: int = 0  # chunks that match, also those beyond the limit; 0: not counted
    left_out: dict[str, int] = {}  # reason → count of what was not brought
    store_versions: dict[str, int] = {}  # store id → version of its table that was read
    neighbours: dict[str, list[Chunk]] = {}  # chunk id of evidence → chunks that stand beside it
    error: ErrorRecord | None = None


class Quote(Model):
    """A verbatim span: ``text`` stands at ``[start, end)`` of the stored text of the entry version."""

    chunk_id: str
    entry_id: str
    version: str
    start: int
    end: int
    text: str


class Claim(Model):
    """One statement and the quotes that carry it. ``score`` orders claims; higher is better supported."""

    text: str
    quotes: list[Quote] = Field(min_length=1)
    score: float = 0.0
    conflict: str = ""  # claims with the same name contradict one another


class Citation(Model):
    """Where a claim can be checked. ``number`` is the [n] in the answer's text."""

    number: int
    entry_id: str
    version: str
    chunk_id: str
    source: str
    title: str
    section: str = ""
    page: int | None = None
    time_s: float | None = None
    posted_at: float | None = None
    speaker: str | None = None
    start: int
    end: int
    quote: str
    url: str = ""  # where a person opens it, with page or time where the address can say it


class AnswerClaim(Model):
    """A verified claim with the numbers of its citations."""

    text: str
    citations: list[int]
    score: float
    conflict: str = ""  # claims with the same name contradict one another


class NearestEvidence(Model):
    """Shown with an abstention: what came nearest, and how near."""

    source: str
    title: str
    section: str = ""
    similarity: float | None
    text: str


class Degradation(Model):
    """Something that was done worse than asked for, and why."""

    step: str  # retrieve, map, compose, judge, rerank
    to: str  # what was done instead: a model's name, "sampled", "extractive", "stopped"
    reason: str  # budget, throttled, rejected, unavailable


class Budget(Model):
    """What an answer would take. ``seconds`` follows from the models' configured speed and concurrency."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    seconds: float
    chunks: int  # that would be read
    groups: int


class RouteReason(Model):
    """Why a retriever runs, or does not."""

    retriever: str
    chosen: bool
    by: str  # request, rule, example, model, default
    detail: str = ""  # name of the rule or example; no content


class Coverage(Model):
    """What was matched, read, left out and why: nothing is dropped silently."""

    retrievers: dict[str, str] = {}  # name → "ok" or its error code
    chunks_matched: int = 0
    chunks_read: int = 0
    chunks_beside: int = 0  # of those read: not matched themselves, read because they stand beside one that is
    chunks_dropped: dict[str, int] = {}  # reason → count
    chunks_failed: int = 0  # of groups that failed
    groups: int = 0
    groups_failed: int = 0
    groups_remembered: int = 0  # whose claims were known from an earlier request
    degraded: list[Degradation] = []  # in the order in which it was decided
    claims_found: int = 0
    claims_removed: dict[str, int] = {}  # reason → count


class AnswerStatus(StrEnum):
    ANSWERED = "ANSWERED"
    ABSTAINED = "ABSTAINED"
    PROMPT = "PROMPT"  # the assembled prompt was asked for
    QUOTED = "QUOTED"  # what it would take was asked for
    EVIDENCE = "EVIDENCE"  # the ranked evidence was asked for


class WrittenBack(Model):
    """The entry that an answer becomes in its destination archive, and the job that ingests it."""

    archive_id: str
    entry_id: str = ""
    job_id: str = ""
    error: ErrorRecord | None = None  # it could not be started; the answer itself stands


class Answer(Model):
    """What a request came to."""

    job_id: JobId
    archives: list[str]
    status: AnswerStatus
    text: str
    claims: list[AnswerClaim]
    citations: list[Citation]
    reasons: list[str] = []  # of an abstention
    nearest: list[NearestEvidence] = []
    routes: list[RouteReason] = []
    coverage: Coverage
    budget: Budget | None = None  # as it was reckoned before the models were called
    prompt_key: str = ""  # lake key of the assembled prompt, when that was asked for
    ledger: list[LedgerLine]
    cost_usd: float
    versions: dict[str, str]  # product, configuration, models and prompts by step, spaces, stores
    written_back: WrittenBack | None = None
    content_hash: str = ""  # of what it says (``answering.comparison``): a replay has the same
    replay_of: str = ""
    forked_from: str = ""
    execution_arn: str
    created_at: str


# --- jobs -------------------------------------------------------------------------------------------------------


class JobKind(StrEnum):
    INGEST_DOCUMENT = "ingest_document"
    INGEST_COLLECTION = "ingest_collection"
    REINDEX_ARCHIVE = "reindex_archive"
    REMOVE_ENTRIES = "remove_entries"
    SYNC_SOURCE = "sync_source"
    ANSWER_REQUEST = "answer_request"


class JobStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"  # stopped by a person; what it had done stays


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
"""Statuses that a job never leaves (a redrive opens a failed one again)."""


class StateVisit(Model):
    """A state that a job entered."""

    state: str
    at: str  # ISO 8601


BY_UPLOAD, BY_SCHEDULE = "upload", "schedule"
"""``Job.started_by`` where it was no call: an object that came to the landing bucket, the schedule of a source."""


DELETION = "delete-"
"""Beginning of the ids of jobs that delete an archive."""


class Job(Model):
    """Anything asynchronous = one execution; the job id is the execution's name."""

    job_id: JobId
    kind: JobKind
    status: JobStatus
    archive_id: str
    archives: list[str] = []  # all that it reads or writes; empty: the one above
    started_by: str = ""  # principal of the API, BY_UPLOAD or BY_SCHEDULE; empty: whoever called the function itself
    tenant: str = ""  # of the token that started it: callers of another tenant do not see it
    parent_job_id: str = ""  # the collection that an ingestion is a part of, or the sync of a collection
    source_id: str = ""  # of a sync
    state: str = ""  # the state it is in, or ended in
    entered: dict[str, str] = {}  # state → when it was entered first
    reentered: list[StateVisit] = []  # again (a round, a retry, a redrive); the first ``jobs.MOST_REENTRIES``
    progress: dict[str, int] = {}
    execution_arn: str = ""
    created_at: str
    updated_at: str
    ended_at: str = ""
    error: ErrorRecord | None = None
    cost_usd: float | None = None  # of models, as far as it is known
    documents: list[
        dict[str, Any]
    ] = []  # of an ingestion: name, status, entry, error of each (capped by the batch size)
    result_key: str = ""
    expires_at: int | None = None  # epoch seconds, TTL

    @property
    def deletes_archive(self) -> bool:
        """Whether it removes a whole archive; its id says so."""
        return self.kind is JobKind.REMOVE_ENTRIES and self.job_id.startswith(DELETION)

    def visits(self) -> list[StateVisit]:
        """States in the order in which they were entered, those that it came back to once for each time."""
        first = [
            StateVisit(state=state, at=at) for at, state in sorted((at, state) for state, at in self.entered.items())
        ]
        return sorted([*first, *self.reentered], key=lambda visit: visit.at)
