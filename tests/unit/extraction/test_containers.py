"""Archive files: every member once, under its own name, or none at all and the reason."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from any_archive import DEVICE, SYMLINK, raw_zip, slack_export, zip_of
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import (
    CorruptDocument,
    DecompressionLimit,
    DocumentError,
    DocumentTypeMismatch,
    EncryptedDocument,
    NoTextFound,
    UnsafeArchive,
    UnsupportedDocumentType,
)
from omnilake.extraction import ExtractionLimits, expand, extract, is_archive
from tests.unit.extraction.any_document import DOCX, any_docx

LIMITS = ExtractionLimits()


def members(data: bytes, limits: ExtractionLimits = LIMITS) -> dict[str, bytes]:
    found = list(expand(data, "a.zip", limits))
    assert len({member.name for member in found}) == len(found)
    return {member.name: member.data for member in found}


@settings(max_examples=80)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\\/:."), min_size=1,
                max_size=20),
        st.binary(max_size=40), min_size=1, max_size=6)
)  # fmt: skip
def test_every_member_comes_out_once_as_it_went_in(files: dict[str, bytes]) -> None:
    data = zip_of(*((f"folder/{name}.txt", content) for name, content in files.items()))
    assert is_archive(data, "a.zip", LIMITS)
    assert members(data) == {f"folder/{name}.txt": content for name, content in files.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.zip", True), ("a", True), ("A.ZIP", True), ("a.docx", False), ("a.txt", False), ("a.pdf", False)],
)
def test_an_archive_under_the_name_of_something_else_is_none(name: str, expected: bool) -> None:
    data = zip_of(("a.txt", b"text"))
    assert is_archive(data, name, LIMITS) is expected
    if not expected:
        with pytest.raises(DocumentError):
            extract(data, name)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", DOCX.read_bytes()),
        ("a.zip", zip_of(("mimetype", b"application/epub+zip"), ("a.xhtml", b"x"))),
        ("a.jar", zip_of(("META-INF/MANIFEST.MF", b"x"), ("A.class", b"x"))),
        ("a.vsdx", zip_of(("[Content_Types].xml", b"x"), ("visio/document.xml", b"x"))),
        ("a.zip", b"just text"),
        ("a.zip", b"PK\x03\x04 cut off"),
        ("a.zip", zip_of(("a.txt", b"text"))[:-30]),
        ("a.zip", b""),
    ],
)
def test_what_is_no_archive_of_documents_is_left_to_extraction_to_refuse(name: str, data: bytes) -> None:
    assert not is_archive(data, name, LIMITS)
    with pytest.raises(DocumentError):
        extract(data, name)


def test_a_word_document_under_the_name_of_an_archive_says_so() -> None:
    with pytest.raises(DocumentTypeMismatch):
        extract(DOCX.read_bytes(), "a.zip")


def test_folders_and_what_systems_leave_behind_are_left_out_and_counted() -> None:
    expansion = expand(
        zip_of(
            ("docs/", b""), ("docs/a.txt", b"a"), ("docs/.DS_Store", b"x"), ("__MACOSX/docs/._a.txt", b"x"),
            ("Thumbs.db", b"x"), ("docs/Thumbs.db.txt", b"kept"),
        ),
        "a.zip",
    )  # fmt: skip
    assert (expansion.documents, expansion.left_out) == (2, 4)
    assert [member.name for member in expansion] == ["docs/a.txt", "docs/Thumbs.db.txt"]


@pytest.mark.parametrize(
    ("raw", "flags", "name"),
    [
        ("Grüße.txt".encode(), 0x800, "Grüße.txt"),
        ("Grüße.txt".encode("cp437"), 0, "Grüße.txt"),
        ("Grüße.txt".encode(), 0, "Grüße.txt"),  # macOS
        ("לילה טוב \U0001f9ad.txt".encode(), 0x800, "לילה טוב \U0001f9ad.txt"),
        ("\u202etxt.exe".encode(), 0x800, "\u202etxt.exe"),
    ],
)
def test_names_are_decoded_as_their_writer_meant_them(raw: bytes, flags: int, name: str) -> None:
    assert members(raw_zip([(raw, b"x")], flags=flags)) == {name: b"x"}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["../../etc/cron.d/x", "a/../../b", "ok.txt"], "2 outside of it"),
        (["/etc/passwd"], "1 outside of it"),
        (["C:/windows/x.ini", "c:x"], "2 outside of it"),
        (["..\\..\\x", "folder\\x"], "2 outside of it"),
        (["a\nb.txt", "a\x00b.txt", "a\x7f", "a\u2028b"], "4 with names that can't be stored"),
        (["a//b", "./a", "a/./b"], "3 with names that can't be stored"),
        (["n" * 1_000], "1 with names that can't be stored"),
        (["a.txt", "a.txt", "a.txt", "b.txt"], "2 with the name of another"),
    ],
)
def test_unsafe_names_refuse_the_archive_and_are_counted_not_told(names: list[str], told: str) -> None:
    data = raw_zip([(name.encode(), b"x") for name in names], flags=0x800)
    assert is_archive(data, "a.zip", LIMITS)
    with pytest.raises(UnsafeArchive) as refused:
        expand(data, "a.zip")
    assert refused.value.message == f"The archive has unsafe members: {told}."


def test_links_and_devices_refuse_the_archive() -> None:
    data = zip_of(("a.txt", b"x"), ("link", b"/etc/passwd"), ("disk", b""), modes={"link": SYMLINK, "disk": DEVICE})
    with pytest.raises(UnsafeArchive, match="2 no plain files"):
        expand(data, "a.zip")


def test_an_archive_within_an_archive_is_opened_too() -> None:
    inner = zip_of(("b.txt", b"b"), (".DS_Store", b""))
    expansion = expand(zip_of(("a.txt", b"a"), ("in/inner.zip", inner)), "a.zip")
    assert (expansion.documents, expansion.left_out) == (2, 1)
    assert {member.name: member.data for member in expansion} == {"a.txt": b"a", "in/inner.zip/b.txt": b"b"}


def test_archives_that_nest_deeper_are_refused_whole() -> None:
    three = zip_of(("2.zip", zip_of(("3.zip", zip_of(("a.txt", b"a"))))))
    with pytest.raises(UnsafeArchive, match="2 deep"):
        expand(three, "a.zip")
    assert members(three, ExtractionLimits(max_archive_depth=3)) == {"2.zip/3.zip/a.txt": b"a"}


def test_an_office_file_is_a_member_and_not_an_archive_within() -> None:
    docx = any_docx("One.")
    assert members(zip_of(("a.docx", docx), ("b", docx))) == {"a.docx": docx, "b": docx}


@pytest.mark.parametrize(
    ("inner", "error"),
    [
        (raw_zip([(b"a.txt", b"x")], flags=1), EncryptedDocument),
        (zip_of(("a.txt", b"some text")).replace(b"\x2b\xce", b"\x2b\xcf"), CorruptDocument),
        (zip_of(("folder/", b"")), NoTextFound),
    ],
)
def test_an_archive_within_that_cannot_be_opened_fails_by_itself(inner: bytes, error: type[DocumentError]) -> None:
    found = members(zip_of(("a.txt", b"a"), ("inner.zip", inner)))
    assert found == {"a.txt": b"a", "inner.zip": inner}
    with pytest.raises(DocumentError) as refused:
        expand(found["inner.zip"], "inner.zip")
    assert type(refused.value) is error


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (raw_zip([(b"a.txt", b"x")], flags=1), EncryptedDocument),
        (raw_zip([(b"a.txt", b"x")], flags=0x40), EncryptedDocument),
        (raw_zip([(b"a.txt", b"x")], method=14), UnsupportedDocumentType),
        (zip_of(("a.txt", bytes(5_000_000))), DecompressionLimit),
        (raw_zip([(b"%d" % n, deflated(b"x" * 1_000)) for n in range(50)], method=8, share=True), DecompressionLimit),
        (zip_of(*((f"{n}.txt", b"") for n in range(5_001))), DecompressionLimit),
        (raw_zip((b"%d" % n, b"") for n in range(60_000)), DecompressionLimit),
        (zip_of(("folder/", b"")), NoTextFound),
        (zip_of(), NoTextFound),
    ],
)
def test_a_bad_archive_gets_its_own_error(data: bytes, error: type[DocumentError]) -> None:
    with pytest.raises(DocumentError) as refused:
        expand(data, "a.zip") if is_archive(data, "a.zip", LIMITS) else extract(data, "a.zip")
    assert type(refused.value) is error


def test_the_limits_hold_for_all_archives_within_together() -> None:
    inner = zip_of(*((f"{n}.txt", b"x" * 1_000) for n in range(10)))
    data = zip_of(*((f"{n}.zip", inner) for n in range(10)))
    assert len(members(data)) == 100
    for limits in (
        ExtractionLimits(max_archive_entries=99),
        ExtractionLimits(max_export_entries=109),
        ExtractionLimits(max_unpacked_bytes=100_000),
    ):
        with pytest.raises(DecompressionLimit):
            expand(data, "a.zip", limits)


def test_a_directory_that_hides_its_size_behind_zip64_is_counted_before_it_is_read() -> None:
    data = raw_zip((b"%d" % n, b"") for n in range(60_000))
    end = data.rfind(b"PK\x05\x06")
    size, offset = (int.from_bytes(data[end + at : end + at + 4], "little") for at in (12, 16))
    end64 = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12)
    end64 += (60_000).to_bytes(8, "little") * 2 + size.to_bytes(8, "little") + offset.to_bytes(8, "little")
    locator = b"PK\x06\x07" + bytes(4) + end.to_bytes(8, "little") + (1).to_bytes(4, "little")
    hidden = data[:end] + end64 + locator + b"PK\x05\x06" + bytes(18)
    assert not is_archive(hidden, "a.zip", LIMITS)
    with pytest.raises(DecompressionLimit):
        extract(hidden, "a.zip")


@settings(max_examples=150)
@given(position=st.integers(0, 10_000), value=st.integers(1, 255))
def test_damage_anywhere_is_a_document_error_or_harmless(position: int, value: int) -> None:
    data = bytearray(zip_of(("a.txt", b"some text " * 9), ("in.zip", zip_of(("b.txt", b"b"))), ("c/", b"")))
    data[position % len(data)] ^= value
    try:
        if is_archive(bytes(data), "a.zip", LIMITS):
            list(expand(bytes(data), "a.zip"))
    except DocumentError:
        return


USERS = [{"id": "U1", "name": "ann", "profile": {"real_name": "Ann Lee"}}, {"id": "U2", "name": "bo", "profile": {}}]
CHANNELS = [{"id": "C1", "name": "harbour", "topic": {"value": "Ferries &amp; tides"}}]


def message(ts: str, text: str, user: str = "U1", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": ts, **fields}


@pytest.mark.parametrize("root", ["", "Workspace export/"])
def test_a_slack_export_becomes_one_conversation_a_channel_with_its_days_in_order(root: str) -> None:
    data = slack_export(
        {
            "harbour/2026-03-06.json": [
                message("1772780000.000100", "I do.", "U2", thread_ts="1772700000.000100"),
                message("1772780001.000100", "<@U1> has joined", "U2", subtype="channel_join"),
            ],
            "harbour/2026-03-05.json": [
                message("1772700000.000100", "Who has it, <@U2>?", thread_ts="1772700000.000100"),
                message("1772700100.000100", "See <#C1>", "U2"),
            ],
            "D1/2026-03-05.json": [message("1772700000.000100", "Psst")],
            "quiet/2026-03-05.json": [message("1772700000.000100", "x", subtype="channel_join")],
        },
        root=root,
        users=USERS,
        channels=CHANNELS,
        dms=[{"id": "D1", "members": ["U1", "U2"]}],
        integration_logs=[],
    )  # fmt: skip
    expansion = expand(data, "export.zip")
    assert (expansion.documents, expansion.left_out) == (3, 4)
    found = {member.name: member.data for member in expansion}

    assert list(found) == [f"{root}D1.json", f"{root}harbour.json"]
    harbour = json.loads(found[f"{root}harbour.json"])
    assert harbour["format"] == "omnilake.conversation/1"
    assert harbour["title"] == "#harbour"
    assert harbour["metadata"] == {"platform": "slack", "channel": "harbour", "topic": "Ferries & tides"}
    assert [(each["author"], each["text"]) for each in harbour["messages"]] == [
        ("Ann Lee", "Who has it, @bo?"), ("bo", "See #harbour"), ("bo", "I do.")
    ]  # fmt: skip
    assert harbour["messages"][2]["thread"] == harbour["messages"][0]["thread"] == "1772700000.000100"
    assert json.loads(found[f"{root}D1.json"])["title"] == "Ann Lee, bo"


def test_what_cannot_be_read_in_an_export_is_handed_out_as_it_is_and_its_neighbours_are_read() -> None:
    data = zip_of(
        ("users.json", b"{broken"),
        ("channels.json", json.dumps(CHANNELS).encode()),
        ("harbour/2026-03-05.json", json.dumps([message("1772700000.000100", "Hi")]).encode()),
        ("harbour/2026-03-06.json", b"[{"),
        ("harbour/2026-03-07.json", b'[{"type": "message", "ts": "never"}]'),
        ("harbour/2026-03-08.json", b"[]"),
        ("__uploads/F1/tides.txt", b"Tides"),
    )
    found = members(data)
    assert set(found) == {
        "users.json", "harbour.json", "harbour/2026-03-06.json", "harbour/2026-03-07.json", "__uploads/F1/tides.txt"
    }  # fmt: skip
    assert found["harbour/2026-03-06.json"] == b"[{"
    assert json.loads(found["harbour.json"])["messages"][0]["author"] == "U1"


def test_an_export_of_many_days_is_no_bomb_and_json_that_is_no_export_stays_as_it_is() -> None:
    days = {f"harbour/20{n // 365:02}-01-{n % 365:02}.json": [] for n in range(5_100)}
    assert members(slack_export({**days, "harbour/2026-03-05.json": [message("1772700000.000100", "Hi")]}))
    plain = zip_of(("users.json", b"[]"), ("notes/2026-03-05.json", b"[]"))
    assert members(plain) == {"users.json": b"[]", "notes/2026-03-05.json": b"[]"}


def test_a_very_long_channel_becomes_several_conversations() -> None:
    text = "tide " * 200_000
    days = {"harbour/2026-03-05.json": [message(f"17727000{n:02}.000100", text) for n in range(20)]}
    found = members(slack_export(days), ExtractionLimits(max_compression_ratio=10_000))
    assert list(found) == ["harbour.json", "harbour 2.json", "harbour 3.json"]
    counts = [len(json.loads(data)["messages"]) for data in found.values()]
    assert counts == [9, 9, 2]
