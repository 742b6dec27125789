"""Every error the product raises on purpose, with its stable code.

The class name is what Step Functions sees as the error name (``Retry`` and ``Catch`` match it); ``code`` is what
job records, ``failed/`` objects and clients see. Neither changes once released::

    OmniLakeError
    ├── TransientError             retried by the state machines
    │   └── IncompleteIndexing
    ├── RateLimited                a provider's limit: the state machines wait as long as it says, then go on
    ├── InvalidStateInput          a state was handed an event that does not fit its model
    ├── StageFailed                a stage failed for a reason that is not the document's (the workflow fails)
    ├── DocumentError              one document can't be ingested; its neighbours go on
    │   ├── EmptyDocument          ├── UnsupportedDocumentType   ├── DocumentTypeMismatch
    │   ├── CorruptDocument        ├── EncryptedDocument         ├── DecompressionLimit
    │   ├── InvalidEncoding        ├── DocumentTooLarge          ├── NoTextFound
    │   ├── ObjectNotFound         ├── InvalidObjectName         ├── TooManyChunks
    │   ├── ScannedDocument        ├── UnsafeArchive             ├── InvalidRecord
    │   ├── InvalidMetadata        ├── TextRecognitionFailed └── EntryNotFound
    ├── EmbeddingRejected          vectors of a wrong shape, NaN or zero
    ├── ProviderRejected           a provider refuses a call: key, model, input
    ├── InsightsRejected           a model gave no insights that fit; the document is ingested without
    ├── SourceError                a source can't be read
    │   ├── SourceNotFound     ├── SourceBusy
    │   └── InvalidSourceType  SourceTypeNotFound  SourceTypeInUse
    ├── InvalidCollection          a collection that can't be ingested as it was asked for
    ├── RequestError               a question that can't be asked
    │   ├── InvalidRequest  ├── EmptyQuestion  ├── QuestionTooLong
    │   ├── ArchiveNotFound ├── RequestNotFound ├── ArchiveBeingDeleted
    │   ├── AsOfUnavailable └── ReplayIncomplete
    ├── InvalidConfiguration  GenerationRejected
    ├── ArchiveExists  InvalidArchive  ArchiveInUse
    ├── JobNotFound  JobEnded  AnswerPending  AnswerUnavailable
    ├── InvalidRemoval  RemovalIncomplete
    ├── InvalidEntry  EntryNotUpdatable
    ├── InvalidUpload  UploadNotFound
    ├── EndpointUnknown  EndpointUnreachable    of the client
    └── ApiError                   a call of the API that can't be served as it stands
        ├── InvalidBody  InvalidFields  BodyTooLarge  UnsupportedMediaType  ResponseTooLarge
        ├── NotAuthenticated  Forbidden  RouteNotFound  MethodNotAllowed
        ├── RevisionRequired  RevisionMismatch
        ├── IdempotencyKeyInvalid  IdempotencyMismatch  RequestInProgress
        └── InvalidCursor  ExpiredCursor
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar


class OmniLakeError(Exception):
    """Base of all errors of the product.

    Args:
        message: what was wrong, in one sentence, without content of documents or questions.
        action: what to do about it; the class's own advice when omitted.
        details: small values for the job record (never document text or secrets).
    """

    code: ClassVar[str] = "INTERNAL"
    advice: ClassVar[str] = "Open the job's execution in the Step Functions console and report it with its id."

    def __init__(self, message: str, *, action: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.action = self.advice if action is None else action
        self.details = details

    def __str__(self) -> str:
        return f"{self.code}: {self.message} {self.action}".strip()


class TransientError(OmniLakeError):
    """Something that a retry is expected to mend."""

    code = "TRANSIENT"
    advice = "It is retried; if it stays, look at the service that the message names."


class IncompleteIndexing(TransientError):
    """Fewer rows than chunks were found in the store after a commit."""

    code = "INCOMPLETE_INDEXING"


class RateLimited(OmniLakeError):
    """A provider's or a source's rate limit is used up for now. Made by :meth:`after`."""

    code = "RATE_LIMITED"
    advice = "The state machine waits and goes on; nothing is to be done."

    @classmethod
    def after(cls, seconds: float, service: str) -> RateLimited:
        """The error that says how long to wait; the state machines read it from the message.

        Args:
            seconds: to wait; rounded up, at least 1.
            service: whose limit it is.
        """
        whole = max(1, math.ceil(seconds))
        return cls(f"The rate limit of {service} is used up. Wait {whole} s.", seconds=whole)


class InvalidStateInput(OmniLakeError):
    """A Lambda was invoked with an event that does not fit its model."""

    code = "INVALID_STATE_INPUT"
    advice = "Compare the event with the sample in events/ of this function."


class StageFailed(OmniLakeError):
    """A stage could not do its work for a reason that lies in the system, not in a document."""

    code = "STAGE_FAILED"


class DocumentError(OmniLakeError):
    """One document can't be ingested. It is recorded as FAILED and kept under ``failed/``."""

    code = "DOCUMENT_REJECTED"
    advice = "Mend the document and upload it again."


class EmptyDocument(DocumentError):
    """The object holds no bytes."""

    code = "DOCUMENT_EMPTY"
    advice = "Upload a document with content."


class UnsupportedDocumentType(DocumentError):
    """The content is of no supported type."""

    code = "DOCUMENT_TYPE_UNSUPPORTED"
    advice = (
        "Supported are text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, CSV, JSON, EML, VTT and SRT, and source code; "
        "convert it first."
    )


class DocumentTypeMismatch(DocumentError):
    """The name claims one type and the content is of another."""

    code = "DOCUMENT_TYPE_MISMATCH"
    advice = "Give the file the extension of its content and upload it again."


class CorruptDocument(DocumentError):
    """The parser of its type can't read the document."""

    code = "DOCUMENT_CORRUPT"
    advice = "Open the document in its own application, save it anew and upload that."


class EncryptedDocument(DocumentError):
    """The document needs a password."""

    code = "DOCUMENT_ENCRYPTED"
    advice = "Remove the password and upload it again."


class DecompressionLimit(DocumentError):
    """A compressed document grows beyond the limits of size or ratio when unpacked."""

    code = "DOCUMENT_DECOMPRESSION_LIMIT"
    advice = "Split the document, or check where it comes from: it looks like a decompression bomb."


class InvalidEncoding(DocumentError):
    """Text that is not valid in its own, or any likely, character encoding."""

    code = "DOCUMENT_ENCODING_INVALID"
    advice = "Save the text as UTF-8 and upload it again."


class DocumentTooLarge(DocumentError):
    """More bytes than the deployment's ``MaxDocumentBytes``."""

    code = "DOCUMENT_TOO_LARGE"
    advice = "Split the document, or raise MaxDocumentBytes (and the memory of Extract Text) and redeploy."


class NoTextFound(DocumentError):
    """The document was read and holds no text (an empty page, white space, pictures)."""

    code = "DOCUMENT_NO_TEXT"
    advice = "If its text is in pictures, run text recognition over it first."


class TooManyChunks(DocumentError):
    """More chunks than one execution may index."""

    code = "DOCUMENT_TOO_MANY_CHUNKS"
    advice = "Split the document."


class ObjectNotFound(DocumentError):
    """The S3 object of an event was deleted before it was read."""

    code = "OBJECT_NOT_FOUND"
    advice = "Upload it again if it should be ingested."


class InvalidObjectName(DocumentError):
    """A key that names no archive, or a name with control characters."""

    code = "OBJECT_NAME_INVALID"
    advice = "Upload to incoming/<archive id>/<path> with a name without control characters (line breaks, tabs)."


class ScannedDocument(DocumentError):
    """Pages that are images: there is no text to read without text recognition."""

    code = "DOCUMENT_SCANNED"
    advice = "Deploy with OcrFunctionArn (docs/ocr.md), or run text recognition over it first."


class TextRecognitionFailed(DocumentError):
    """The function behind ``OcrFunctionArn`` failed on a document, or gave something else than its pages."""

    code = "TEXT_RECOGNITION_FAILED"
    advice = "Look at that function's log; docs/ocr.md says what it has to return."


class UnsafeArchive(DocumentError):
    """An archive file with a member that points outside of it, nests too deep, or is no plain file."""

    code = "DOCUMENT_ARCHIVE_UNSAFE"
    advice = "Unpack it, check where it comes from, and upload the files."


class InvalidRecord(DocumentError):
    """A line of a manifest or batch file that is no record."""

    code = "RECORD_INVALID"
    advice = "Correct the line and ingest the file again; the other lines are not affected."


class InvalidMetadata(DocumentError):
    """Metadata of an upload that can't be understood: an effective date that is none, or too much of it."""

    code = "METADATA_INVALID"
    advice = "Correct the object's user metadata and upload it again."


class EmbeddingRejected(OmniLakeError):
    """Vectors with a wrong dimension, NaN, infinity or zero length. Never replaced by substitutes."""

    code = "EMBEDDING_REJECTED"


class ProviderRejected(OmniLakeError):
    """A provider of embeddings or generation refuses a call: its key, its model or its input."""

    code = "PROVIDER_REJECTED"
    advice = "Check the key, the model id and the account's access at the provider."


class InsightsRejected(OmniLakeError):
    """A model's answer is not what was asked for, after one repair. The document is ingested without insights."""

    code = "INSIGHTS_REJECTED"
    advice = "Look at the archive's insights_schema, or take another model; then upload the document again."


class SourceError(OmniLakeError):
    """A source can't be read: credentials, permissions, address, or what it answers."""

    code = "SOURCE_REJECTED"
    advice = "Check the source's configuration and its credentials."


class SourceNotFound(SourceError):
    """No source of that id."""

    code = "SOURCE_NOT_FOUND"
    advice = "Create it first, or check its spelling."


class InvalidCollection(OmniLakeError):
    """A collection that can't be ingested as it was asked for: unknown bucket, empty prefix, unreadable manifest."""

    code = "COLLECTION_INVALID"
    advice = "Correct the request and start it again."


class RequestError(OmniLakeError):
    """A request that can't be answered as it stands."""

    code = "REQUEST_REJECTED"
    advice = "Correct the request and submit it again."


class InvalidRequest(RequestError):
    """The request does not fit its model: unknown fields, wrong types, values out of range."""

    code = "REQUEST_INVALID"


class EmptyQuestion(RequestError):
    """The question holds no word."""

    code = "QUESTION_EMPTY"
    advice = "Ask something."


class QuestionTooLong(RequestError):
    """The question is longer than ``models.MAX_QUESTION_CHARACTERS``."""

    code = "QUESTION_TOO_LONG"
    advice = "Ask a shorter question; put long material into an archive."


class AsOfUnavailable(RequestError):
    """The state of an archive at that time, or that version of a store, is not kept any more."""

    code = "AS_OF_UNAVAILABLE"
    advice = "Ask for a later date, or without as_of."


class ReplayIncomplete(RequestError):
    """An answer can't be repeated: its evidence or a model's output was not recorded, or is gone."""

    code = "REPLAY_INCOMPLETE"
    advice = "Ask again instead (omnilake replay JOB --model NAME forks)."


class InvalidConfiguration(OmniLakeError):
    """The configuration of answering does not fit its model."""

    code = "CONFIGURATION_INVALID"
    advice = "Correct configuration/answering.json (omnilake configuration check FILE)."


class GenerationRejected(OmniLakeError):
    """A model's answer is not what was asked for, after one repair; or the model refuses."""

    code = "GENERATION_REJECTED"
    advice = "Look at the model's guardrail, or name another model in the configuration."


class ArchiveNotFound(RequestError, DocumentError):
    """No archive of that id."""

    code = "ARCHIVE_NOT_FOUND"
    advice = "Create it first (omnilake archive create ID), or check its spelling."


class ArchiveBeingDeleted(RequestError, DocumentError):
    """A job deletes the archive with all that it holds: it takes nothing in any more."""

    code = "ARCHIVE_BEING_DELETED"
    advice = "Wait for that job, or cancel it: what it has removed by then stays removed."


class RequestNotFound(RequestError):
    """The execution names a request that was never stored."""

    code = "REQUEST_NOT_FOUND"
    advice = "Submit the request through the SubmitRequest function or the CLI."


class ArchiveExists(OmniLakeError):
    """An archive of that id exists with another configuration."""

    code = "ARCHIVE_EXISTS"
    advice = "Choose another id, or use the existing archive."


class InvalidArchive(OmniLakeError):
    """The definition of an archive does not fit its model."""

    code = "ARCHIVE_INVALID"
    advice = "Use 3 to 63 lower-case letters, digits, hyphens and underscores for the id."


class JobNotFound(OmniLakeError):
    """No job of that id."""

    code = "JOB_NOT_FOUND"
    advice = "List the jobs with: omnilake jobs ls"


class EntryNotFound(DocumentError):
    """No entry of that name in the archive."""

    code = "ENTRY_NOT_FOUND"
    advice = "Check its spelling; omnilake entries ls ARCHIVE lists them."


class EndpointUnknown(OmniLakeError):
    """The client does not know where the API is, or who asks it."""

    code = "ENDPOINT_UNKNOWN"
    advice = "Set OMNILAKE_ENDPOINT, or OMNILAKE_STACK with AWS credentials that may read that stack."


class EndpointUnreachable(OmniLakeError):
    """The API, or S3, gives no answer."""

    code = "ENDPOINT_UNREACHABLE"
    advice = "Check the address and the network; of the embedded cloud: omnilake local up."


class RemovalIncomplete(OmniLakeError):
    """Something of the entries that were removed was found again and again."""

    code = "REMOVAL_INCOMPLETE"
    advice = "See which job or user writes there, end it, then redrive the job."


class JobEnded(OmniLakeError):
    """The job has ended, or its end was not of the kind that this works on."""

    code = "JOB_ENDED"
    advice = "Look at the job's status; start a new job instead."


class AnswerPending(OmniLakeError):
    """The job has not ended; its answer comes later."""

    code = "ANSWER_PENDING"
    advice = "Ask again after the time in Retry-After, or wait for the job's end."


class AnswerUnavailable(OmniLakeError):
    """The job failed or was cancelled; it will never have an answer."""

    code = "ANSWER_UNAVAILABLE"
    advice = "Look at the job's error; retry the job, which answers under another id."


class ArchiveInUse(OmniLakeError):
    """An archive that still has entries, sources or open jobs can't be deleted."""

    code = "ARCHIVE_IN_USE"
    advice = (
        "Remove its sources and wait for its jobs; then delete it with its entries: with_entries=true, "
        "omnilake archive rm --with-entries."
    )


class ApiError(OmniLakeError):
    """A call of the API that can't be served as it stands."""

    code = "CALL_REJECTED"
    advice = "Correct the call and send it again."


class InvalidBody(ApiError):
    """The body is no JSON."""

    code = "BODY_INVALID"
    advice = "Send one JSON document in UTF-8."


class InvalidFields(ApiError):
    """Fields of the body, the path or the query do not fit; the problem names them."""

    code = "FIELDS_INVALID"
    advice = "Correct the fields that are named; /v1/openapi.json describes them."


class BodyTooLarge(ApiError):
    """The body is larger than the API takes."""

    code = "BODY_TOO_LARGE"
    advice = "Upload large content: POST /v1/archives/{archive_id}/uploads."


class ResponseTooLarge(ApiError):
    """What the call asks for is more than one response can hold."""

    code = "RESPONSE_TOO_LARGE"
    advice = "Ask for less: fewer passages, or a part of the text."


class UnsupportedMediaType(ApiError):
    """The body is of another type than the route takes."""

    code = "MEDIA_TYPE_UNSUPPORTED"
    advice = "Send Content-Type: application/json."


class NotAuthenticated(ApiError):
    """The call tells nobody who makes it."""

    code = "NOT_AUTHENTICATED"
    advice = (
        "Sign the call with AWS credentials (SigV4, service execute-api), or send a token of the configured issuer."
    )


class Forbidden(ApiError):
    """The caller may see this but not do that with it."""

    code = "FORBIDDEN"
    advice = "Ask the archive's owner for access (PUT /v1/archives/{archive_id}/access)."


class RouteNotFound(ApiError):
    """The API has no such path."""

    code = "ROUTE_NOT_FOUND"
    advice = "Look it up in /v1/openapi.json."


class MethodNotAllowed(ApiError):
    """The path does not take the method."""

    code = "METHOD_NOT_ALLOWED"
    advice = "Use one of the methods that the header Allow lists."


class RevisionRequired(ApiError):
    """A change that must say which revision it is made from."""

    code = "REVISION_REQUIRED"
    advice = "Send If-Match with the ETag of the version that you read."


class RevisionMismatch(ApiError):
    """It was changed since the caller read it."""

    code = "REVISION_MISMATCH"
    advice = "Read it again, apply the change to that, and send its ETag."


class IdempotencyKeyInvalid(ApiError):
    """The header Idempotency-Key is empty, too long, or has characters that can't be printed."""

    code = "IDEMPOTENCY_KEY_INVALID"
    advice = "Use 1 to 255 printable ASCII characters, for instance a UUID."


class IdempotencyMismatch(ApiError):
    """The key was used for another call."""

    code = "IDEMPOTENCY_MISMATCH"
    advice = "Use a new Idempotency-Key for a new call; send the very same body to repeat one."


class RequestInProgress(ApiError):
    """The first call under this Idempotency-Key is still worked on."""

    code = "REQUEST_IN_PROGRESS"
    advice = "Send the same call again after the time in Retry-After."


class InvalidCursor(ApiError):
    """The cursor is none of this deployment's, or of another list, filter or caller."""

    code = "CURSOR_INVALID"
    advice = "Use next_cursor of the list as it stands, with the same filters; or begin without a cursor."


class ExpiredCursor(InvalidCursor):
    """The cursor is older than a day."""

    code = "CURSOR_EXPIRED"
    advice = "Begin again without a cursor."


class InvalidRemoval(OmniLakeError):
    """A removal that can't be carried out as it was asked for: no entry, or too many at once."""

    code = "REMOVAL_INVALID"
    advice = "Name 1 to 100 entries of one archive."


class InvalidEntry(OmniLakeError):
    """Content that came with a call and does not fit: empty, too long, a time that is none."""

    code = "ENTRY_INVALID"
    advice = "Correct the fields; upload content that is longer as a file."


class EntryNotUpdatable(OmniLakeError):
    """The entry's identity is an object of another bucket: its new versions come from there."""

    code = "ENTRY_NOT_UPDATABLE"
    advice = "Put the new version to where the entry comes from and start a collection of it."


class InvalidUpload(OmniLakeError):
    """An upload that can't be taken: its name, its size, its parts."""

    code = "UPLOAD_INVALID"
    advice = "Correct the fields and start the upload again."


class UploadNotFound(OmniLakeError):
    """No upload of that id is under way in the archive."""

    code = "UPLOAD_NOT_FOUND"
    advice = "Start the upload again; an upload in parts has to be completed within three days."


class InvalidSourceType(SourceError):
    """A source type whose fields do not fit, or that is built in."""

    code = "SOURCE_TYPE_INVALID"
    advice = "Use 1 to 64 lower-case letters, digits, hyphens and underscores for the name and the fields."


class SourceTypeNotFound(SourceError):
    """No source type of that name."""

    code = "SOURCE_TYPE_NOT_FOUND"
    advice = "Create it first, or check its spelling."


class SourceTypeInUse(SourceError):
    """A source type that sources are of, or that exists with other fields."""

    code = "SOURCE_TYPE_IN_USE"
    advice = "Delete its sources first, or choose another name."


class SourceBusy(SourceError):
    """A sync of the source runs."""

    code = "SOURCE_BUSY"
    advice = "Wait for its end, or stop its execution first."


def by_name(name: str) -> type[OmniLakeError] | None:
    """The error class that Step Functions names, None for errors of AWS or the runtime."""
    return next((each for each in _classes() if each.__name__ == name), None)


def by_code(code: str) -> type[OmniLakeError] | None:
    """The error class of a stable code, None when there is none."""
    return next((each for each in _classes() if each.code == code), None)


def _classes() -> Iterator[type[OmniLakeError]]:
    classes: list[type[OmniLakeError]] = [OmniLakeError]
    while classes:
        each = classes.pop()
        yield each
        classes.extend(each.__subclasses__())
