"""What a caller prefers: ``Prefer: wait=N`` (RFC 7240). Pure."""

from __future__ import annotations

from omnilake.errors import InvalidFields

MAX_WAIT_S = 25
"""Longest wait for a job's end; API Gateway gives up after 30 s."""


def wait_of(told: str | None) -> int:
    """Seconds of ``wait`` in the header, at most ``MAX_WAIT_S``; 0 without one. Of several the first counts.

    Raises:
        InvalidFields: they are no whole number.
    """
    for each in (told or "").split(","):
        name, _, value = each.partition(";")[0].partition("=")  # the parameters of a preference mean nothing here
        if name.strip().lower() != "wait":
            continue  # what is not understood is passed over, as the standard has it
        seconds = value.strip().strip('"')
        if not (seconds.isascii() and seconds.isdigit()):
            fault = {"field": "header.Prefer", "message": "wait takes a whole number of seconds."}
            raise InvalidFields("Prefer: wait takes a whole number of seconds.", fields=[fault])
        return min(int(seconds[:9]), MAX_WAIT_S)
    return 0
