"""Mails."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import DocumentError, DocumentTypeMismatch, EncryptedDocument, InvalidEncoding
from omnilake.extraction import extract, open_document
from omnilake.models import SegmentKind
from tests.unit.extraction.test_formats import assert_covered, lines


def any_mail(text: str | None = "The tide is high.", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    told = {"Subject": "Tides", "From": "Ann <ann@example.com>", "To": "bo@example.com"} | headers
    for name, value in told.items():
        mail[name] = value
    if text is not None:
        mail.set_content(text)
    return mail


def test_a_mail_is_its_subject_its_headers_and_its_text() -> None:
    mail = any_mail(
        "The tide is high.\n\nYours, Ann\n", Date="Sat, 21 Nov 2026 10:00:00 +0100", Cc="Ci <ci@example.com>"
    )
    document = extract(bytes(mail), "m.eml")
    assert_covered(document)
    assert document.title == "Tides"
    assert lines(document) == [
        "Tides",
        "From: Ann <ann@example.com>\nTo: bo@example.com\nCc: Ci <ci@example.com>\n"
        "Date: Sat, 21 Nov 2026 10:00:00 +0100",
        "The tide is high.",
        "Yours, Ann",
    ]
    assert document.metadata == {
        "subject": "Tides", "from": "Ann <ann@example.com>", "to": "bo@example.com", "cc": "Ci <ci@example.com>",
        "date": "2026-11-21T09:00:00+00:00",
    }  # fmt: skip
    assert {s.section for s in document.segments} == {"Tides"}


def test_headers_of_a_mail_are_known_before_it_is_read() -> None:
    assert open_document(bytes(any_mail()), "m.eml").metadata["from"] == "Ann <ann@example.com>"


def test_the_plain_text_is_read_before_the_page() -> None:
    mail = any_mail("Plain.")
    mail.add_alternative("<p>Page.", subtype="html")
    assert lines(extract(bytes(mail), "m.eml"))[2:] == ["Plain."]


def test_a_mail_with_a_page_alone_is_read_as_a_page() -> None:
    mail = any_mail(None)
    mail.set_content(
        "<h1>Head</h1><ul><li>one</ul><script>bad()</script><table><tr><th>a<th>b<tr><td>1<td>2</table>", "html"
    )
    document = extract(bytes(mail), "m.eml")
    assert lines(document)[2:] == ["Head", "- one", "a: 1; b: 2"]
    assert document.segments[2].section == "Tides > Head"
    assert document.segments[-1].header == "a; b"


def test_an_empty_plain_text_beside_a_page_is_passed_over() -> None:
    mail = any_mail(" \n")
    mail.add_alternative("<p>Page.", subtype="html")
    assert lines(extract(bytes(mail), "m.eml"))[2:] == ["Page."]


def test_attachments_are_named_and_not_read() -> None:
    inner = any_mail("Deep inside.", Subject="Older mail")
    mail = any_mail()
    mail.add_attachment(b"a,b\n1,2\n", "text", "csv", filename="fees \u00e5r.csv")
    mail.add_attachment("not read", filename="note.txt")
    mail.add_attachment(inner)
    document = extract(bytes(mail), "m.eml")
    assert lines(document)[-4:] == [
        "Attachments:", "- fees \u00e5r.csv (text/csv)", "- note.txt (text/plain)", "- Older mail (message/rfc822)"
    ]  # fmt: skip
    assert "not read" not in document.text
    assert "Deep inside" not in document.text


def test_encoded_headers_and_texts_are_decoded() -> None:
    raw = (
        b"Subject: =?iso-8859-1?Q?Fl=F8y?= =?utf-8?b?4piA?=\nFrom: a@example.com\n"
        b"Content-Type: text/plain; charset=iso-8859-1\n"
        b"Content-Transfer-Encoding: quoted-printable\n\nBl=E5b=E6r\n"
    )
    document = extract(raw, "m.eml")
    assert document.title == "Fl\u00f8y\u2600"
    assert lines(document)[-1] == "Bl\u00e5b\u00e6r"


def test_a_mail_in_utf_16_is_read() -> None:
    assert extract(bytes(any_mail()).decode().encode("utf-16"), "m.eml").title == "Tides"


def test_a_mail_without_an_extension_is_told_by_its_headers() -> None:
    mail = any_mail(Date="Sat, 21 Nov 2026 10:00:00 +0100")
    assert open_document(bytes(mail), "cur/1700000000.M1").media_type == "text/plain"
    assert open_document(bytes(mail), "message").media_type == "message/rfc822"
    assert open_document(b"From: me\nTo: you\n\nA note.", "note").media_type == "text/plain"


@pytest.mark.parametrize(
    "header", ["Subject: =?no-such-charset?q?x?=", "Subject: =?utf-8?b?!!!?=", "Date: never", "To: " + "(" * 5_000]
)
def test_a_broken_header_does_not_cost_the_mail(header: str) -> None:
    raw = f"From: a@example.com\n{header}\n\nThe text.".encode()
    assert lines(extract(raw, "m.eml"))[-1] == "The text."


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"just some text\n", DocumentTypeMismatch),
        (b"From: a@b.c\nContent-Type: multipart/encrypted; boundary=x\n\n--x\n\n--x--\n", EncryptedDocument),
        (b"From: a@b.c\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nMII=", EncryptedDocument),
        (b"From: a@b.c\nContent-Type: text/plain; charset=utf-8\n\nfa\xe7ade d\xe9j\xe0 \xff", InvalidEncoding),
    ],
)
def test_a_mail_that_can_not_be_read_gets_its_own_error(raw: bytes, error: type[DocumentError]) -> None:
    with pytest.raises(DocumentError) as refused:
        extract(raw, "m.eml")
    assert type(refused.value) is error


def test_deeply_nested_parts_are_read_or_refused() -> None:
    raw = b"From: a@example.com\n"
    for level in range(3_000):
        raw += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
    try:
        document = extract(raw + b"\nThe text.", "m.eml")
    except DocumentError:
        return
    assert SegmentKind.PARAGRAPH in {s.kind for s in document.segments}


pieces = st.sampled_from(
    ["From: a@b.c\n", "Subject: =?utf-8?q?", "?=\n", "\n", "Content-Type: multipart/alternative; boundary=x\n", "--x\n",
     "--x--\n", "Content-Type: text/html\n", "Content-Transfer-Encoding: base64\n", "QUJD\n", "<p>x", "words\n",
     "Content-Disposition: attachment; filename*=utf-8''a%E5\n", "Content-Type: message/rfc822\n", "\u00e9"]
)  # fmt: skip


@settings(max_examples=200)
@given(parts=st.lists(pieces, max_size=30))
def test_any_mail_is_either_read_or_refused(parts: list[str]) -> None:
    try:
        document = extract(("From: a@b.c\n" + "".join(parts)).encode(), "m.eml")
    except DocumentError:
        return
    assert_covered(document)
