"""Write the two binary examples, ``examples/postmortem-nt-2291.pdf`` and ``examples/on-call-handbook.docx``.

They are committed; run this after changing their text: ``python scripts/make_examples.py``. The same versions of fpdf2
and python-docx give the same bytes.
"""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import docx
from docx.document import Document
from fpdf import FPDF
from fpdf.enums import XPos, YPos

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WRITTEN = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)

Section = tuple[str, list[str]]

POSTMORTEM: list[Section] = [
    (
        "Summary",
        [
            "On 17 March 2026 the tide pipeline of Northwind Tides stopped taking in gauge readings. The "
            "incident lasted 3 hours and 42 minutes, from 02:14 to 05:56 UTC. Four hourly forecast runs were "
            "lost, and 19 of 31 ports received no bulletin in that time. No reading was lost for good: all "
            "41,870 delayed readings were stored by 07:40.",
            "The incident was caused by a reserved concurrency of 5 instead of 45 on the Lambda function gauge-"
            "intake, left behind by a load test on the afternoon before. A storm over Lofoten then delivered "
            "the backlog of eleven gauges at once, and the function was throttled.",
        ],
    ),
    (
        "Impact",
        [
            "Harbour masters made 63 calls to the subscriber gateway. One tanker of 290 metres waited at anchor"
            " off Bergen for five hours. Service credits of 18,400 dollars were granted to seven subscribers.",
            "Twelve ports were not affected, because their gauges do not send through the Lofoten relay.",
        ],
    ),
    (
        "Timeline (UTC)",
        [
            "16 March, 14:05: the reserved concurrency of gauge-intake is lowered from 45 to 5 for a load test.",
            "16 March, 16:30: the load test ends. The script that restores the value fails on an expired token.",
            "17 March, 02:02: the radio link of the Lofoten relay comes back and sends what it had kept for 97 "
            "minutes.",
            "17 March, 02:14: the alarm Readings Age pages the on-call engineer.",
            "17 March, 02:40: the storm is taken for the cause, and the relay's operator is called.",
            "17 March, 04:10: the incident is raised to severity 1, and an incident commander is named.",
            "17 March, 05:20: the procedure Restart a stuck intake is begun, which shows the wrong value.",
            "17 March, 05:31: the reserved concurrency is set back to 45.",
            "17 March, 05:56: readings are current again, and the incident ends.",
        ],
    ),
    (
        "What went well",
        [
            "Readings waited in the landing bucket and were picked up by the sweep, as designed. Storing is "
            "idempotent: the 2,306 readings that were delivered twice are in the store once.",
        ],
    ),
    (
        "What went badly",
        [
            "Nothing compared the configured limits with those of the template, so that the drift stayed unseen"
            " for 12 hours. Throttles were shown on the third page of the dashboard only. The incident was "
            "raised to severity 1 almost two hours after the first page; the handbook asks for it after 45 "
            "minutes without a known cause.",
        ],
    ),
    (
        "Actions",
        [
            "A-1, Tomasz Lind, due 31 March: temporary changes of limits expire by themselves after four hours.",
            "A-2, Leila Haddad, due 27 March: throttles and configured concurrency on the overview page.",
            "A-3, Mateus Okafor, due 30 April: a decision record on forecasts from the harmonic model alone.",
            "A-4, Hanne Vik, due 10 April: Bergen and Stavanger are called when a bulletin is over 20 minutes late.",
            "A-5, Ingrid Solheim, due 15 May: load tests run in an account of their own.",
        ],
    ),
]

HANDBOOK: list[Section] = [
    (
        "Who is on call",
        [
            "Two rotations cover the tide pipeline. The rotation tides-primary answers pages for tier 1 "
            "services and changes every Wednesday at 10:00. The rotation tides-secondary takes over when a page"
            " has not been acknowledged within 8 minutes, and answers for tier 2 services on working days only.",
            "An engineer is on call for at most one week in four. Each week is paid with 650 dollars, and each "
            "page between 23:00 and 07:00 gives half a day off, to be taken within 30 days.",
        ],
    ),
    (
        "When you are paged",
        [
            "Acknowledge within 8 minutes. Say in the channel #tides-incidents that you have it, open the "
            "runbook, and write down times as you go. You are not expected to know the cause; you are expected "
            "to restore service.",
            "Ask for help early. Raise the incident to severity 1 when the cause is not known after 45 minutes,"
            " when more than 10 ports are without a bulletin, or when you are in doubt. Severity 1 brings an "
            "incident commander, who talks to everybody else, so that you can work.",
        ],
    ),
    (
        "Talking to harbours",
        [
            "When a bulletin is more than 20 minutes late, call Bergen and Stavanger; do not wait for their "
            "call. Give the time of the next update and keep it. The duty phone of the subscriber gateway has "
            "the extension 4417.",
            "Never estimate a water level on the phone. Harbour masters may use the printed tide tables, whose "
            "error is about 35 centimetres in a storm.",
        ],
    ),
    (
        "Handing over",
        [
            "The hand-over takes place on Wednesday at 10:00 and takes 20 minutes. The outgoing engineer goes "
            "through the open incidents, the excluded gauges, and every temporary change of a limit with its "
            "expiry. Nothing temporary may be handed over twice: on the second week it becomes a ticket with an"
            " owner.",
        ],
    ),
    (
        "Access",
        [
            "Production access is granted for 4 hours at a time with a reason, and every session is recorded. "
            "The role tides-operator may change concurrency, exclude gauges and rerun forecasts. Only the role "
            "tides-commander may start a failover, and it needs a second person.",
        ],
    ),
]

SEVERITIES = [
    ("Severity", "Means", "First update to subscribers", "Review"),
    ("1", "More than 10 ports without a bulletin, or data lost", "within 15 minutes", "within 5 working days"),
    ("2", "Up to 10 ports without a bulletin, or bulletins late", "within 60 minutes", "within 10 working days"),
    ("3", "No effect that a subscriber would notice", "none", "when the team finds it useful"),
]


def postmortem() -> bytes:
    """The post-mortem as PDF, with a bookmark for each section."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(WRITTEN)
    pdf.set_title("Post-mortem of incident NT-2291")
    pdf.set_author("Northwind Tides, Data Platform")
    pdf.set_margins(22, 20)
    pdf.set_auto_page_break(auto=True, margin=20)
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 18)
    pdf.cell(0, 12, "Post-mortem of incident NT-2291", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_font("Helvetica", "", 11)
    pdf.cell(0, 8, "Northwind Tides, 24 March 2026. Author: Priya Raman", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    for heading, texts in POSTMORTEM:
        pdf.ln(4)
        pdf.start_section(heading)
        pdf.set_font("Helvetica", "B", 13)
        pdf.cell(0, 9, heading, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pdf.set_font("Helvetica", "", 11)
        for text in texts:
            pdf.multi_cell(0, 6, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            pdf.ln(2)
    return bytes(pdf.output())


def handbook() -> bytes:
    """The on-call handbook as DOCX, with headings and a table."""
    document = docx.Document()
    properties = document.core_properties
    properties.title = "On-call handbook"
    properties.author = "Northwind Tides, Data Platform"
    properties.comments = ""
    properties.created = properties.modified = WRITTEN
    document.add_heading("On-call handbook", level=1)
    document.add_paragraph("For everyone who carries the pager of the tide pipeline. Version 7, 10 April 2026.")
    for heading, texts in HANDBOOK:
        document.add_heading(heading, level=2)
        for text in texts:
            document.add_paragraph(text)
        if heading == "When you are paged":
            _add_severities(document)
    packed = BytesIO()
    document.save(packed)
    return _with_fixed_times(packed.getvalue())


def _add_severities(document: Document) -> None:
    document.add_heading("Severities", level=3)
    table = document.add_table(rows=0, cols=len(SEVERITIES[0]))
    table.style = "Table Grid"
    for row in SEVERITIES:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text


def _with_fixed_times(package: bytes) -> bytes:
    """The same package with the time of writing on each entry: python-docx stamps them with the clock."""
    repacked = BytesIO()
    with zipfile.ZipFile(BytesIO(package)) as source, zipfile.ZipFile(repacked, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, date_time=WRITTEN.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, source.read(name))
    return repacked.getvalue()


def main() -> None:
    """Write both files."""
    for name, data in {"postmortem-nt-2291.pdf": postmortem(), "on-call-handbook.docx": handbook()}.items():
        (EXAMPLES / name).write_bytes(data)
        print(f"{name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
