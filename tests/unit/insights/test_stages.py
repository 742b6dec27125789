"""The Extract Insights state: per document, resumable, and never in the way of the others."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from any_ingest import any_archive
from any_lambda import any_context
from unit.insights.any_document import TEXT, document

from omnilake import aws, layout
from omnilake.errors import (
    ArchiveNotFound,
    InsightsRejected,
    OmniLakeError,
    ProviderRejected,
    RateLimited,
    StageFailed,
    TransientError,
)
from omnilake.generation import Usage
from omnilake.ingest import stages as ingest_stages
from omnilake.insights import outcomes, stages
from omnilake.insights.excerpt import Excerpt
from omnilake.insights.outcomes import InsightsBatch
from omnilake.insights.provider import Wanted
from omnilake.insights.schema import Extraction
from omnilake.models import (
    Batch,
    BatchDocument,
    DocumentStatus,
    ErrorRecord,
    ExtractedDocument,
    Insights,
    InsightsStatus,
    ObjectRef,
)
from omnilake.settings import settings

pytestmark = pytest.mark.usefixtures("stack")

JOB = "ingest-docs-1"
EXTRACTED, FAILED = InsightsStatus.EXTRACTED, InsightsStatus.FAILED


def chunked(*names: str, texts: dict[str, str] | None = None) -> list[BatchDocument]:
    """A batch of live documents, and one that failed before."""
    any_archive()
    documents = [
        BatchDocument(
            ref=ObjectRef(bucket="landing", key=f"incoming/docs/{name}"),
            name=name,
            source=f"s3://landing/{name}",
            status=DocumentStatus.PROCESSING,
            entry_id=name,
            version="v1",
        )
        for name in names
    ]
    for each in documents:
        extracted = document((texts or {}).get(each.name, f"{TEXT} This is {each.name}."), title=each.name)
        aws.lake().write_models(layout.entry_document(each.entry_id, each.version), [extracted])
    failed = documents[0].model_copy(update={"entry_id": "broken", "status": DocumentStatus.FAILED})
    ingest_stages.write(Batch(job_id=JOB, archive_id="docs", documents=[*documents, failed]), ingest_stages.CHUNKED)
    return documents


def insights_of(name: str) -> Insights:
    return aws.lake().read_model(layout.entry_insights(name, "v1"), Insights)


def outcomes_of() -> dict[str, str]:
    """Document → status, or the code of its error."""
    batch = aws.lake().read_model(layout.batch_insights(JOB), InsightsBatch)
    return {each.entry_id: each.error.code if each.error else each.status.value for each in batch.documents}


class Scripted:
    """A remote provider that fails as it is told."""

    name, model, prompt_version, remote = "scripted", "any-model", "any-1", True

    def __init__(self, error: Callable[[str], OmniLakeError | None]) -> None:
        self._error = error
        self.asked: list[str] = []

    def extract(self, of: ExtractedDocument, excerpt: Excerpt, wanted: Wanted) -> tuple[Extraction, Usage]:
        self.asked.append(of.title)
        if error := self._error(of.title):
            raise error
        extraction = Extraction(title=of.title, summary="s", tags=["t"], entities=[], dates=[])
        return extraction, Usage(calls=1, input_tokens=10, output_tokens=2, cost_usd=0.5)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, OmniLakeError]], Scripted]:
    """Use a provider that raises these errors, by document; one call at a time."""

    def use(errors: dict[str, OmniLakeError]) -> Scripted:
        provider = Scripted(errors.get)
        monkeypatch.setattr(stages, "provider_for", lambda _: provider)
        monkeypatch.setattr(stages, "THREADS", 1)
        return provider

    return use


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def put(name: str, value: str) -> None:
        monkeypatch.setenv(f"OMNILAKE_{name.upper()}", value)
        settings.cache_clear()

    return put


def test_every_live_document_has_its_insights_and_says_what_was_read(setting: Callable[[str, str], None]) -> None:
    setting("insights_tokens", "200")
    long = " ".join(f"Gauge {number} of the harbour was read at noon." for number in range(400))
    chunked("a.txt", "b.txt", texts={"b.txt": long})
    assert stages.extract_insights(JOB, "docs") == stages.InsightsResult(extracted=2, failed=0)

    short, cut = insights_of("a.txt"), insights_of("b.txt")
    assert (short.title, short.provider, short.prompt) == ("a.txt", "deterministic", "deterministic-1")
    assert short.characters_read == short.characters > 100
    assert 0 < cut.characters_read < cut.characters == len(long)
    assert short.ledger is not None
    assert (short.ledger.state, short.ledger.calls, short.ledger.cost_usd) == ("Extract Insights", 0, 0)
    assert outcomes_of() == {"a.txt": "EXTRACTED", "b.txt": "EXTRACTED"}


def test_running_again_writes_the_same(setting: Callable[[str, str], None]) -> None:
    chunked("a.txt")
    stages.extract_insights(JOB, "docs")
    first = insights_of("a.txt").model_dump(exclude={"ledger"})
    stages.extract_insights(JOB, "docs")
    assert insights_of("a.txt").model_dump(exclude={"ledger"}) == first


def test_a_document_that_is_rejected_does_not_hold_up_its_neighbours(scripted: Any) -> None:
    chunked("a", "b", "c")
    scripted({"b": InsightsRejected("No.")})
    assert stages.extract_insights(JOB, "docs") == stages.InsightsResult(extracted=2, failed=1)
    assert outcomes_of() == {"a": "EXTRACTED", "b": "INSIGHTS_REJECTED", "c": "EXTRACTED"}


def test_after_a_refused_key_the_provider_is_not_asked_again(scripted: Any) -> None:
    chunked("a", "b", "c")
    provider = scripted({"b": ProviderRejected("No.")})
    assert stages.extract_insights(JOB, "docs") == stages.InsightsResult(extracted=1, failed=2)
    assert provider.asked == ["a", "b"]
    assert outcomes_of() == {"a": "EXTRACTED", "b": "PROVIDER_REJECTED", "c": "PROVIDER_REJECTED"}


@pytest.mark.parametrize("error", [RateLimited.after(7, "any"), TransientError("Later.")])
def test_what_time_may_mend_is_raised_and_what_is_done_is_not_paid_again(scripted: Any, error: OmniLakeError) -> None:
    chunked("a", "b", "c")
    first = scripted({"b": error})
    with pytest.raises(type(error)):
        stages.extract_insights(JOB, "docs")
    assert first.asked == ["a", "b"]
    assert outcomes_of() == {"a": "EXTRACTED", "b": error.code, "c": error.code}

    second = scripted({})
    assert stages.extract_insights(JOB, "docs", waits=1) == stages.InsightsResult(extracted=3, failed=0)
    assert second.asked == ["b", "c"]
    batch = aws.lake().read_model(layout.batch_insights(JOB), InsightsBatch)
    assert (batch.ledger.calls, batch.ledger.input_tokens, batch.ledger.cost_usd) == (3, 30, 1.5)


def test_after_the_last_wait_the_others_go_without(scripted: Any) -> None:
    chunked("a", "b")
    scripted({"b": RateLimited.after(7, "any")})
    assert stages.extract_insights(JOB, "docs", waits=stages.MAX_WAITS) == stages.InsightsResult(extracted=1, failed=1)
    assert outcomes_of() == {"a": "EXTRACTED", "b": "RATE_LIMITED"}


def test_no_document_is_begun_after_the_deadline(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chunked("a", "b")
    provider = scripted({})
    monkeypatch.setattr(stages, "DEADLINE_S", -1.0)
    with pytest.raises(TransientError, match="time"):
        stages.extract_insights(JOB, "docs")
    assert provider.asked == []


def test_none_leaves_nothing(setting: Callable[[str, str], None]) -> None:
    chunked("a")
    setting("insights_provider", "none")
    assert stages.extract_insights(JOB, "docs") == stages.InsightsResult(extracted=0, failed=0)
    assert aws.lake().head(layout.batch_insights(JOB)) is None


@pytest.mark.parametrize("name", ["oracle", "bedrock"])
def test_an_unknown_provider_or_one_without_a_model_is_told(setting: Callable[[str, str], None], name: str) -> None:
    chunked("a")
    setting("insights_provider", name)
    with pytest.raises(StageFailed):
        stages.extract_insights(JOB, "docs")


def test_an_archive_that_is_gone_is_told() -> None:
    chunked("a")
    with pytest.raises(ArchiveNotFound):
        stages.extract_insights(JOB, "other")


# --- what Publish Entries makes of it ---------------------------------------------------------------------------

DEATH = ErrorRecord(code="RUNTIME_EXIT_ERROR", message="The state ended with Runtime.ExitError.")


def completed(*documents: BatchDocument) -> list[BatchDocument]:
    return [each.model_copy(update={"status": DocumentStatus.COMPLETED}) for each in documents]


def test_outcomes_stand_on_the_documents_and_a_death_on_those_that_have_none(scripted: Any) -> None:
    first, second = chunked("a", "b")
    scripted({"b": InsightsRejected("No.")})
    stages.extract_insights(JOB, "docs")
    other = first.model_copy(update={"entry_id": "later"})
    found = outcomes.applied(JOB, [*completed(first, second, other), first], DEATH)
    told = [(each.insights_status, each.insights_error.code if each.insights_error else "") for each in found]
    assert told == [(EXTRACTED, ""), (FAILED, "INSIGHTS_REJECTED"), (FAILED, "RUNTIME_EXIT_ERROR"), (None, "")]


def test_where_none_were_asked_for_none_are_missed() -> None:
    documents = completed(*chunked("a"))
    assert outcomes.applied(JOB, documents, None) == documents


def test_the_handler_reports_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    chunked("a")
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3] / "functions" / "ingest_document"))
    handler = importlib.import_module("extract_insights").handler
    assert handler({"job_id": JOB, "archive_id": "docs", "waits": 0}, any_context()) == {"extracted": 1, "failed": 0}
