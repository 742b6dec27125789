"""A model that does whatever it is told outside of the document's place."""

from __future__ import annotations

import re

from unit.insights.any_document import TEXT

WORDS = (
    "approved",
    "paid",
    "pwned",
    "attackers",
    "ROUTED",
    "delete_archive",
    "send_mail",
    "genehmigt",
    "fine",
    "hints.",
)


def obeyed(system: str, user: str) -> list[str]:
    """Orders that such a model would follow: words that stand outside of the place of the document."""
    boundary = re.search(r"<(document-[0-9a-f]{32})>", system)
    assert boundary is not None
    before, opened, rest = f"{system}\n{user}".partition(f"\n<{boundary[1]}>\n")
    inside, closed, after = rest.partition(f"\n</{boundary[1]}>")
    assert opened
    assert closed
    assert TEXT in inside
    return [word for word in WORDS if word in before + after]


def without_boundary(system: str) -> str:
    """A system message but for what is another in every call."""
    return re.sub(r"document-[0-9a-f]{32}", "document", system)
