"""OmniLake's own paths on the deployed stack, each through the client and in the forms that earlier clients send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from embedded_cloud import Cloud, unique, wait_for

from omnilake.api.rpc import TAGS
from omnilake.client import request_definitions as definitions
from omnilake.client.client import OmniLake
from omnilake.errors import ArchiveInUse, ArchiveNotFound, InvalidFields, SourceNotFound
from omnilake.models import AnswerStatus

TEXT = "The gauge at pier seven is read every ninety seconds. Its battery lasts eleven days."
LATER = "The gauge at pier seven is read every forty seconds. Its battery lasts nine days."
QUESTION = "How often is the gauge at pier seven read?"


class Followed:
    """A client that waits for what it starts, and remembers which paths it used."""

    def __init__(self, lake: OmniLake) -> None:
        self.lake = lake
        self.used: set[str] = set()

    def send(self, request: definitions.RequestBody) -> dict[str, Any]:
        """The body of the answer, once the job that it names has completed."""
        self.used.add(request.path)
        answer = self.lake.request(request)
        told: dict[str, Any] = answer.response_body
        if answer.status_code == 202:
            self.lake.jobs.handle(told["job_id"]).completed(120)
        return told


@pytest.fixture(scope="module")
def own(cloud: Cloud) -> Iterator[Followed]:
    with OmniLake() as lake:
        yield Followed(lake)


@pytest.fixture(scope="module")
def archive(own: Followed) -> str:
    """An archive with one entry."""
    archive_id = unique()
    own.send(
        definitions.CreateArchive(archive_id, "Tides", storage_type="VECTOR", tag_hint_instructions="tides, piers")
    )
    own.send(definitions.AddEntry(TEXT, ["https://example.com/gauge"], archive_id=archive_id))
    return archive_id


class TestArchivesAndEntries:
    def test_an_archive_is_described_changed_listed_and_deleted(self, own: Followed) -> None:
        archive_id = unique()
        configuration = definitions.VectorArchiveConfiguration(retain_latest_originals_only=False)
        made = own.send(definitions.CreateArchive(archive_id, "Tides", configuration=configuration))
        assert (made["archive_id"], made["retain_latest_originals_only"]) == (archive_id, False)
        own.send(definitions.UpdateArchive(archive_id, "Piers", tag_hint_instructions="tides; piers"))
        told = own.send(definitions.DescribeArchive(archive_id))
        assert (told["description"], told["tag_hints"]) == ("Piers", ["tides", "piers"])
        assert archive_id in {each["archive_id"] for each in own.send(definitions.ListArchives())["items"]}
        assert own.send(definitions.DeleteArchive(archive_id)) == {"archive_id": archive_id}
        with pytest.raises(ArchiveNotFound):
            own.send(definitions.DescribeArchive(archive_id))

    def test_an_entry_is_added_read_updated_indexed_elsewhere_and_removed(self, own: Followed) -> None:
        here, there = unique(), unique()
        for archive_id in (here, there):
            own.send(definitions.CreateArchive(archive_id, "Tides"))
        added = own.send(definitions.AddEntry(TEXT, ["https://example.com/g"], destination_archive_id=here))
        entry_id = added["entry_id"]
        assert own.send(definitions.GetEntry(entry_id))["content"] == TEXT
        told = own.send(definitions.DescribeEntry(entry_id))
        assert (told["archive_id"], told["status"]) == (here, "COMPLETED")
        own.send(definitions.UpdateEntry(entry_id, LATER))
        assert own.send(definitions.GetEntry(entry_id))["content"] == LATER
        copy = own.send(definitions.IndexEntry(there, entry_id))["entry_id"]
        assert own.send(definitions.GetEntry(copy)) | {"version": ""} == {
            "entry_id": copy, "archive_id": there, "version": "", "content": LATER, "total": len(LATER),
        }  # fmt: skip
        with pytest.raises(ArchiveInUse):
            own.send(definitions.DeleteArchive(here))
        own.send(definitions.DeleteEntry(entry_id, force=True))
        own.send(definitions.DeleteArchive(here))

    def test_an_entry_belongs_to_an_archive(self, own: Followed) -> None:
        with pytest.raises(InvalidFields) as raised:
            own.send(definitions.AddEntry(TEXT, []))
        assert [each["field"] for each in raised.value.details["errors"]] == ["archive_id"]


def test_sources_and_their_types(own: Followed, archive: str) -> None:
    name = unique("wiki-")
    made = own.send(definitions.CreateSourceType(name, ["space", "page"], "Pages of a wiki"))
    assert own.send(definitions.DescribeSourceType(name)) == made
    assert made["required_fields"] == ["space", "page"]
    place = {"space": "harbour", "page": "gauges"}
    source_id = own.send(definitions.AddSource(name, place, archive_id=archive))["source_id"]
    again = own.send(definitions.AddSource(name, place, archive_id=archive))
    assert again["source_id"] == source_id
    assert own.send(definitions.DescribeSource(source_id, name))["archive_id"] == archive
    assert own.send(definitions.DeleteSource(source_id, name)) == {"source_id": source_id}
    with pytest.raises(SourceNotFound):
        own.send(definitions.DescribeSource(source_id))
    with pytest.raises(InvalidFields):
        own.send(definitions.AddSource(name, place))


class TestRequests:
    def test_an_answer_is_described_scored_and_kept_in_its_destination(self, own: Followed, archive: str) -> None:
        destination = unique()
        own.send(definitions.CreateArchive(destination, "Answers"))
        asked = own.send(
            definitions.InformationRequest(
                "Know the gauge",
                archive,
                QUESTION,
                "EXCLUSIVE",
                include_source_metadata=True,
                responder_use_source_metadata=True,
                responder_model_id="extractive",
                destination_archive_id=destination,
            )
        )
        answer = own.lake.answers.get(asked["job_id"])
        assert answer.status is AnswerStatus.ANSWERED
        assert "ninety seconds" in answer.text
        (entry,) = wait_for(lambda: own.lake.entries.list(destination, status="COMPLETED").all(), "the answer's entry")
        assert "ninety seconds" in own.send(definitions.GetEntry(entry.entry_id))["content"]
        assert own.send(definitions.DescribeJob(asked["job_id"], "INFORMATION_REQUEST"))["status"] == "COMPLETED"
        own.send(definitions.ScoreResponse(asked["request_id"], 0.75, "Right, but short."))
        told = own.send(definitions.DescribeRequest(asked["request_id"]))
        assert (told["request"]["question"], told["score"]["score"]) == (QUESTION, 0.75)
        assert own.send(definitions.DescribeLakeRequest(lake_request_id=asked["request_id"])) == told

    @pytest.mark.parametrize("field", ["requests", "retrieval_requests"])
    def test_several_archives_are_asked_in_the_later_form(self, own: Followed, archive: str, field: str) -> None:
        parts = [definitions.VectorArchiveInformationRequest(archive, 5, "EXCLUSIVE", QUESTION, request_type="VECTOR")]
        told: dict[str, Any] = {"goal": "Know the gauge", field: parts}
        answered = own.send(definitions.InformationRequest(**told))
        assert "ninety seconds" in own.lake.answers.get(answered["job_id"]).text

    def test_parameters_of_models_and_prompts_are_refused_by_name(self, own: Followed, archive: str) -> None:
        asked = definitions.InformationRequest("Know", archive, QUESTION)
        for refused, field in (
            (replace(asked, responder_model_params={"temperature": 1}), "responder_model_params"),
            (replace(asked, responder_prompt="Rhyme."), "responder_prompt"),
        ):
            with pytest.raises(InvalidFields, match="do not fit") as raised:
                own.send(refused)
            assert [each["field"] for each in raised.value.details["errors"]] == [field]


def test_no_path_is_left_out(own: Followed) -> None:
    paths = own.lake.openapi()["paths"]
    assert own.used == {path for path, methods in paths.items() for told in methods.values() if told["tags"] == TAGS}
