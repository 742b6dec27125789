"""A job as a drawing of its execution: states in order, each with when, how long, tokens and money."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from omnilake.client.progress import counts, seconds_of, states
from omnilake.client.types import JobRecord
from omnilake.models import LedgerLine

_BAR, _SHORTEST_BAR = 32, 6
"""Characters of the bar at most, and at least: on a narrow terminal it gives way to the figures."""
_STYLES = {"COMPLETED": "green", "FAILED": "red", "CANCELLED": "yellow"}


@dataclass(frozen=True)
class Row:
    """One state of a job.

    Attributes:
        state: its name; of what models used outside of the states entered, the name in the ledger.
        offset_s: from the job's start; None where it was not entered by itself.
        seconds: until the next one was entered, or the end; None while it lasts.
        visits: how often it was entered.
        calls: of models, with ``tokens_in``, ``tokens_out`` and ``cost_usd``.
    """

    state: str
    offset_s: float | None
    seconds: float | None
    visits: int = 1
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0


def rows_of(job: JobRecord) -> list[Row]:
    """The states that a job has entered, in order, with what models used in each."""
    start = datetime.fromisoformat(job.created_at)
    found = []
    for each in states(job):
        offset_s = (datetime.fromisoformat(each.entered_at) - start).total_seconds()
        found.append(_used(each.state, offset_s, each.seconds, each.visits, job.ledger))
    others = list(dict.fromkeys(line.state for line in job.ledger if line.state not in job.entered))
    return found + [_used(state, None, None, 1, job.ledger) for state in others]


def _used(state: str, offset_s: float | None, seconds: float | None, visits: int, ledger: Sequence[LedgerLine]) -> Row:
    own = [line for line in ledger if line.state == state]
    return Row(
        state,
        offset_s,
        seconds,
        visits,
        sum(line.calls for line in own),
        sum(line.input_tokens for line in own),
        sum(line.output_tokens for line in own),
        sum(line.cost_usd for line in own),
    )


def bar(offset_s: float, seconds: float, whole_s: float, width: int = _BAR) -> str:
    """A state's time as a bar in that of the whole job: at least one mark, never beyond ``width``."""
    if whole_s <= 0:
        return "━"
    first = min(int(min(offset_s / whole_s, 1) * width), width - 1)
    length = max(1, round(min(seconds / whole_s, 1) * width))
    return " " * first + "━" * min(length, width - first)


def show_timeline(console: Console, job: JobRecord) -> None:
    """Draw a job."""
    style = _STYLES.get(job.status.value, "cyan")
    console.print(f"[bold]{escape(job.job_id)}[/]  {job.kind.value}  [{style}]{job.status.value}[/]", soft_wrap=True)
    told = [("archives", ", ".join(job.archives or [job.archive_id])), ("started", job.created_at)]
    told += [("ended", job.ended_at), ("by", job.started_by), ("part of", job.parent_job_id)]
    told += [("counts", counts(job)), ("execution", job.execution_arn), ("see", _where(job))]
    for name, value in told:
        if value:
            console.print(f"  [dim]{name:<10}[/]{escape(value)}", soft_wrap=True, highlight=False)
    rows = rows_of(job)
    if rows:
        figures = console.measure(_table(rows, job, 0)).maximum
        console.print(_table(rows, job, min(_BAR, console.width - figures)))
    if job.error is not None:
        error = f"{job.error.code}: {job.error.message} {job.error.action}"
        console.print(f"[red]{escape(error)}[/]", soft_wrap=True)


def _where(job: JobRecord) -> str:
    """How to look into the execution: in the embedded cloud by a command, on AWS by a link."""
    if os.environ.get("AWS_ENDPOINT_URL") and job.execution_arn:
        return f"omnilake local console {job.execution_arn}"
    return job.links.get("execution", "")


def _table(rows: Sequence[Row], job: JobRecord, width: int) -> Table:
    """The states as a table, with bars of ``width`` characters; without them where that is too few."""
    table = Table(box=None, pad_edge=False, show_footer=True)
    ended = seconds_of(job)
    whole = ended or max((each.offset_s or 0) + (each.seconds or 0) for each in rows)
    cost = job.cost_usd if job.cost_usd is not None else sum(each.cost_usd for each in rows)
    table.add_column("State", footer="whole job", no_wrap=True)
    table.add_column("", no_wrap=True)
    figures = {
        "Seconds": f"{ended:.2f}" if ended else "runs",
        "Calls": _number(sum(each.calls for each in rows)),
        "Tokens in": _number(sum(each.tokens_in for each in rows)),
        "out": _number(sum(each.tokens_out for each in rows)),
        "USD": f"{cost:.4f}",
    }
    for name, total in figures.items():
        table.add_column(name, footer=total, justify="right", no_wrap=True)
    for each in rows:
        entered = each.offset_s is not None
        seconds = each.seconds if each.seconds is not None else max(whole - (each.offset_s or 0), 0)
        table.add_row(
            escape(each.state) + (f" [dim]×{each.visits}[/]" if each.visits > 1 else ""),
            bar(each.offset_s, seconds, whole, width) if each.offset_s is not None and width >= _SHORTEST_BAR else "",
            f"{each.seconds:.2f}" if each.seconds is not None else "runs" if entered else "",
            _number(each.calls),
            _number(each.tokens_in),
            _number(each.tokens_out),
            f"{each.cost_usd:.4f}" if each.calls or each.cost_usd else "",
        )
    return table


def _number(count: int) -> str:
    return f"{count:,}" if count else ""
