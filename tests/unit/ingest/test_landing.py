"""Names in the landing zone, and objects on their way out of it."""

from __future__ import annotations

import pytest
from any_ingest import LANDING, uploaded
from hypothesis import given
from hypothesis import strategies as st

from omnilake import aws
from omnilake.errors import InvalidObjectName
from omnilake.ingest import landing
from omnilake.models import DocumentStatus, ErrorRecord, ObjectRef

PART = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="/"), min_size=1).filter(
    lambda part: part not in {".", ".."}
)


@given(PART, st.lists(PART, min_size=1, max_size=4))
def test_a_key_is_taken_apart_into_archive_and_path(archive_id: str, parts: list[str]) -> None:
    path = "/".join(parts)
    key = f"incoming/{archive_id}/{path}"
    assert landing.parse_key(key) == landing.LandingKey(archive_id, path)
    assert landing.archive_of(key) == archive_id


@given(st.text(max_size=40))
def test_any_key_is_taken_apart_or_refused(key: str) -> None:
    try:
        parsed = landing.parse_key(key)
    except InvalidObjectName:
        return
    assert key in {f"{zone}{parsed.archive_id}/{parsed.path}" for zone in landing.ZONES}
    assert landing.archive_of(key) == parsed.archive_id


@pytest.mark.parametrize(
    "key",
    [
        "",
        "incoming/",
        "incoming/docs",
        "incoming/docs/",
        "incoming//guide.md",
        "elsewhere/docs/guide.md",
        "docs/guide.md",
        "incoming/docs//guide.md",
        "incoming/docs/./guide.md",
        "incoming/docs/../guide.md",
        "incoming/docs/a\x00b",
        "incoming/docs/a\u2028b",
        "incoming/do\ncs/guide.md",
    ],
)
def test_a_key_that_names_no_document_is_refused(key: str) -> None:
    with pytest.raises(InvalidObjectName):
        landing.parse_key(key)


@pytest.mark.parametrize(
    ("key", "archive_id"),
    [
        ("incoming/docs/guide.md", "docs"),
        ("incoming/docs/a/b.md", "docs"),
        ("incoming/loose.md", ""),
        ("incoming//x", ""),
        ("", ""),
    ],
)
def test_the_archive_is_read_from_any_key(key: str, archive_id: str) -> None:
    assert landing.archive_of(key) == archive_id


@pytest.mark.usefixtures("stack")
class TestMove:
    def test_a_document_is_moved_with_its_job_and_outcome(self) -> None:
        ref = uploaded("incoming/docs/guide.md", b"# Guide")
        key = landing.move(ref, DocumentStatus.COMPLETED, "job-1", version="v1")
        assert key == "processed/docs/guide.md"
        kept = aws.ObjectStore(LANDING).head("processed/docs/guide.md")
        assert kept is not None
        told = {"omnilake-job": "job-1", "omnilake-status": "COMPLETED", "omnilake-version": "v1"}
        assert kept["Metadata"] == told
        assert aws.ObjectStore(LANDING).read("processed/docs/guide.md") == b"# Guide"
        assert list(aws.ObjectStore(LANDING).keys("incoming/")) == []

    def test_moving_twice_is_harmless(self) -> None:
        ref = uploaded("incoming/docs/guide.md", b"# Guide")
        assert [landing.move(ref, DocumentStatus.COMPLETED, "job-1") for _ in range(2)] == [
            "processed/docs/guide.md"
        ] * 2

    def test_a_version_that_another_job_has_moved_is_not_there(self) -> None:
        ref = uploaded("incoming/docs/guide.md", b"# Guide")
        landing.move(ref, DocumentStatus.COMPLETED, "job-1")
        assert landing.move(ref, DocumentStatus.COMPLETED, "job-2") == ""

    def test_an_object_that_never_was_is_not_there(self) -> None:
        ref = ObjectRef(bucket=LANDING, key="incoming/docs/never.md")
        assert landing.move(ref, DocumentStatus.FAILED, "job-1") == ""

    def test_a_reason_in_any_script_fits_the_metadata(self) -> None:
        ref = uploaded("incoming/docs/größe.md", b"x")
        error = ErrorRecord(code="ANY", message="zu groß\n" + "ü" * 2_000, action="kürzen")
        key = landing.move(ref, DocumentStatus.FAILED, "job-1", error)
        kept = aws.ObjectStore(LANDING).head(key)
        assert kept is not None
        assert key == "failed/docs/größe.md"
        assert kept["Metadata"]["omnilake-code"] == "ANY"
        assert kept["Metadata"]["omnilake-reason"].startswith("zu gro%C3%9F %C3%BC")
        assert sum(len(name) + len(value) for name, value in kept["Metadata"].items()) < 2_048

    def test_a_kept_object_comes_back_as_a_new_upload(self) -> None:
        ref = uploaded("incoming/docs/copy.md", b"shared")
        landing.move(ref, DocumentStatus.DUPLICATE, "job-1")
        landing.return_to_incoming(LANDING, "incoming/docs/copy.md")
        back = aws.ObjectStore(LANDING).head("incoming/docs/copy.md")
        assert back is not None
        assert back["Metadata"] == {}
        assert back["VersionId"] != ref.version_id

    def test_the_newest_original_of_a_path_is_kept_and_older_ones_are_archived(self) -> None:
        store = aws.ObjectStore(LANDING)
        for version, data in (("v2", b"two"), ("v3", b"three"), ("v1", b"one")):
            landing.move(uploaded("incoming/docs/guide.md", data), DocumentStatus.COMPLETED, "job", version=version)
        assert store.read("processed/docs/guide.md") == b"three"
        archived = {key: store.read(key) for key in store.keys("archived/")}
        assert archived == {"archived/docs/guide.md/v1": b"one", "archived/docs/guide.md/v2": b"two"}

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_the_newest_original_that_failed_is_kept_and_older_ones_are_archived(self, order: tuple[int, ...]) -> None:
        store, no = aws.ObjectStore(LANDING), ErrorRecord(code="ANY", message="no")
        refs = [uploaded("incoming/docs/guide.md", data) for data in (b"one", b"two", b"three")]
        for each in order:
            landing.move(refs[each], DocumentStatus.FAILED, f"job-{each}", no, f"v{each}")
        assert store.read("failed/docs/guide.md") == b"three"
        archived = {key: store.read(key) for key in store.keys("archived/")}
        assert archived == {"archived/docs/guide.md/v0": b"one", "archived/docs/guide.md/v1": b"two"}
        assert list(store.keys("incoming/")) == []

    def test_originals_that_failed_before_they_had_a_version_are_kept_too(self) -> None:
        store, no = aws.ObjectStore(LANDING), ErrorRecord(code="ANY", message="no")
        refs = [uploaded("incoming/docs/guide.md", data) for data in (b"one", b"two")]
        for ref in refs:
            landing.move(ref, DocumentStatus.FAILED, "job", no)
        assert sorted(store.read(key) for key in store.keys("archived/")) == [b"one"]
        assert store.read("failed/docs/guide.md") == b"two"

    def test_a_mended_original_is_as_new_as_its_mending(self) -> None:
        ref = uploaded("incoming/docs/guide.md", b"one")
        key = landing.move(ref, DocumentStatus.FAILED, "job", ErrorRecord(code="ANY", message="no"), "v1")
        failed = ObjectRef(bucket=LANDING, key=key)
        kept = aws.ObjectStore(LANDING).head(key)
        assert kept is not None
        assert landing.received(failed, kept)[1] == ref.sequencer
        aws.ObjectStore(LANDING).write(key, b"mended")
        mended = aws.ObjectStore(LANDING).head(key)
        assert mended is not None
        assert landing.received(failed, mended) == (mended["LastModified"], "")

    def test_the_uploaders_metadata_stay_on_the_original(self) -> None:
        aws.client("s3").put_object(Bucket=LANDING, Key="incoming/docs/a.md", Body=b"x", Metadata={"team": "tides"})
        ref = ObjectRef(bucket=LANDING, key="incoming/docs/a.md")
        landing.move(ref, DocumentStatus.FAILED, "job-1", ErrorRecord(code="ANY", message="no"))
        kept = aws.ObjectStore(LANDING).head("failed/docs/a.md")
        assert kept is not None
        assert kept["Metadata"]["team"] == "tides"

    def test_what_lies_in_no_zone_stays_where_it_is(self) -> None:
        ref = uploaded("exports/a.md", b"x")
        assert landing.move(ref, DocumentStatus.COMPLETED, "job-1") == "exports/a.md"
        assert list(aws.ObjectStore(LANDING).keys("")) == ["exports/a.md"]

    def test_nothing_comes_back_of_what_was_not_kept(self) -> None:
        landing.return_to_incoming(LANDING, "incoming/docs/gone.md")
        assert list(aws.ObjectStore(LANDING).keys("")) == []
