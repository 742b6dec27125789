"""The console's pages as HTML. Everything that comes from an execution is escaped; there is no script."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote

from omnilake_local.diagram import Definition, flatten
from omnilake_local.drawing import BOX_HEIGHT, Box, Way, draw
from omnilake_local.execution_history import Event, Story, Visit, details

_EXECUTION_ARN = re.compile(r"arn:aws:states:[\w-]*:\d*:execution:[\w.+@-]+:[\w.+@-]+")
_VISITS_SHOWN = 20
_EVENTS_SHOWN = 2_000
_TEXT_SHOWN = 20_000

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;--panel:#f6f8fa;--link:#0550ae;
--succeeded:#1a7f37;--failed:#cf222e;--running:#0969da;--none:#8c959f}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#3d444d;--panel:#161b22;
--link:#79c0ff;--succeeded:#3fb950;--failed:#ff7b72;--running:#58a6ff;--none:#7d8590}}
body{margin:0 auto;max-width:76rem;padding:1rem 1.5rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif}
a{color:var(--link)}a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.5rem 0 .5rem}h3{font-size:1rem;margin:0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.dim{color:var(--dim)}.arn{font-size:.85rem;overflow-wrap:anywhere;color:var(--dim)}
.graph{overflow:auto;border:1px solid var(--line);border-radius:8px}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.6rem;overflow:auto;max-height:24rem;
margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px}
section.state{border:1px solid var(--line);border-left-width:6px;border-radius:6px;padding:.7rem 1rem;margin:.7rem 0;
scroll-margin-top:1rem}
section.state:target{background:var(--panel);outline:2px solid var(--link)}
.succeeded{--c:var(--succeeded)}.failed{--c:var(--failed)}.running{--c:var(--running)}.none{--c:var(--none)}
section.state{border-left-color:var(--c)}.badge{color:var(--c);font-weight:600;white-space:nowrap}
svg rect.box{fill:var(--panel);stroke:var(--c);stroke-width:2}svg .none rect.box{stroke-dasharray:5 4}
svg rect.around{fill:none;stroke:var(--line)}svg text{fill:var(--fg);font:13px system-ui,sans-serif}
svg text.small{font-size:11px;fill:var(--c)}svg path.edge{fill:none;stroke:var(--dim)}
svg path.catch{stroke:var(--failed);stroke-dasharray:4 3}svg a:focus-visible rect.box{stroke-width:5}
"""

_CLASSES = {"succeeded": "succeeded", "failed": "failed", "running": "running", "not entered": "none"}
_EXECUTION_CLASSES = {"SUCCEEDED": "succeeded", "RUNNING": "running"}


def page(title: str, body: str, *, refresh: bool = False) -> str:
    """A whole document. With ``refresh`` the browser asks again every two seconds, for what is running."""
    again = '<meta http-equiv="refresh" content="2">' if refresh else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · OmniLake, embedded cloud</title><style>{_STYLE}</style></head><body>"
        f'<nav><a href="/">State machines</a></nav><main><h1>{escape(title)}</h1>{body}</main></body></html>'
    )


def machines_page(machines: Iterable[tuple[str, str, list[dict[str, Any]]]]) -> str:
    """All state machines with their latest executions: name, ARN, executions."""
    parts = [
        f'<h2><a href="/machines/{quote(arn, safe=":")}">{escape(name)}</a></h2>{executions_table(executions)}'
        for name, arn, executions in machines
    ]
    return page("State machines", "".join(parts) or "<p>No state machine is deployed.</p>")


def executions_table(executions: list[dict[str, Any]]) -> str:
    """Executions, as ListExecutions gives them, in its order: the latest first."""
    if not executions:
        return '<p class="dim">No executions.</p>'
    rows = "".join(
        f'<tr><td><a href="{execution_path(each["executionArn"])}">{escape(each["name"])}</a></td>'
        f"<td>{_execution_badge(each['status'])}</td><td>{_time(each['startDate'])}</td>"
        f'<td class="n">{_duration(each["startDate"], each.get("stopDate"))}</td></tr>'
        for each in executions
    )
    return (
        '<table><thead><tr><th scope="col">Execution</th><th scope="col">Status</th><th scope="col">Started</th>'
        f'<th scope="col" class="n">Duration</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def execution_page(execution: dict[str, Any], definition: Definition, events: list[Event], story: Story) -> str:
    """One execution: summary, graph, states, events."""
    status = execution["status"]
    error = "".join(
        f"<h2>{key.title()}</h2>{_text(execution[key])}" for key in ("error", "cause") if execution.get(key)
    )
    machine = execution["stateMachineArn"]
    numbers = {name: number for number, (name, _) in enumerate(flatten(definition))}
    summary = (
        f"<p>{_execution_badge(status)} · started {_time(execution['startDate'])} · "
        f"{_duration(execution['startDate'], execution.get('stopDate'))} · "
        f'<a href="/machines/{quote(machine, safe=":")}">{escape(machine.rsplit(":", 1)[-1])}</a></p>'
        f'<p class="arn">{escape(execution["executionArn"])}</p>{error}'
    )
    states = "".join(_state_section(numbers[name], name, state, story, status) for name, state in flatten(definition))
    body = (
        f"{summary}<h2>Graph</h2>{graph(definition, story, status, numbers)}"
        f"<h2>Input</h2>{_text(execution.get('input', ''))}<h2>Output</h2>{_text(execution.get('output', ''))}"
        f"<h2>States</h2>{states}<h2>Events</h2>{_events_table(events)}"
    )
    return page(execution["name"], body, refresh=status == "RUNNING")


def execution_path(arn: str) -> str:
    """Path of an execution's page."""
    return f"/executions/{quote(arn, safe=':')}"


def graph(definition: Definition, story: Story, status: str, numbers: dict[str, int]) -> str:
    """The state machine as SVG, each state a link to its section."""
    drawing = draw(definition)
    content = "".join(_way(way) for way in drawing.ways) + "".join(
        _box(box, story, status, numbers[box.name]) for box in drawing.boxes
    )
    return (
        f'<div class="graph"><svg xmlns="http://www.w3.org/2000/svg" role="group" aria-label="States and their order" '
        f'width="{drawing.width:.0f}" height="{drawing.height:.0f}" '
        f'viewBox="0 0 {drawing.width:.0f} {drawing.height:.0f}">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="var(--dim)"/></marker></defs>'
        f"{content}</svg></div>"
    )


def _box(box: Box, story: Story, status: str, number: int) -> str:
    name, x, y, width = box.name, box.x, box.y, box.width
    state_status = story.status(name, status)
    about = f"{box.type} · {state_status}{_iterations(name, story)}"
    visits = len(story.of(name))
    if visits > 1:
        about += f" · {visits} times"
    shown = name if len(name) <= 26 else name[:25] + "…"
    around = f'<rect class="around" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{box.height:.0f}" rx="8"/>'
    return (
        f'<a href="#state-{number}" class="{_CLASSES[state_status]}" aria-label="{escape(f"{name}: {about}")}">'
        f"<title>{escape(name)}</title>{around if box.height > BOX_HEIGHT else ''}"
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="8"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + 19:.0f}" text-anchor="middle">{escape(shown)}</text>'
        f'<text class="small" x="{x + width / 2:.0f}" y="{y + 35:.0f}" text-anchor="middle">{escape(about)}</text></a>'
    )


def _way(way: Way) -> str:
    extra = " catch" if way.kind == "catch" else ""
    title = f"<title>{escape(way.label)}</title>"
    return f'<path class="edge{extra}" d="{way.path}" marker-end="url(#arrow)">{title}</path>'


def _state_section(number: int, name: str, state: Definition, story: Story, status: str) -> str:
    visits = story.of(name)
    state_status = story.status(name, status)
    shown = "".join(_visit(index, visit) for index, visit in enumerate(visits[:_VISITS_SHOWN], 1))
    if len(visits) > _VISITS_SHOWN:
        shown += f'<p class="dim">The first {_VISITS_SHOWN} of {len(visits)} visits.</p>'
    return (
        f'<section class="state {_CLASSES[state_status]}" id="state-{number}" tabindex="-1">'
        f'<h3>{escape(name)}</h3><p><span class="badge">{state_status}</span> · {escape(state["Type"])}'
        f"{_iterations(name, story)}</p>{shown}</section>"
    )


def _visit(index: int, visit: Visit) -> str:
    took = f"{visit.seconds:.3f} s" if visit.seconds is not None else "did not end"
    errors = "".join(f"<p>Error: {escape(error)}</p>{_text(cause)}" for error, cause in visit.errors)
    links = "".join(f"<p>Submitted:</p>{_text(text)}" for text in visit.links)
    opened = " open" if index == 1 else ""
    output = f"<p>Output</p>{_text(visit.output)}" if visit.output is not None else ""
    return (
        f"<details{opened}><summary>Visit {index}: {_time(visit.entered)}, {took}"
        f"{', with errors' if visit.errors else ''}</summary>{errors}{links}"
        f"<p>Input</p>{_text(visit.input)}{output}</details>"
    )


def _iterations(name: str, story: Story) -> str:
    count = story.iterations.get(name)
    if count is None:
        return ""
    failed = f", {count.failed} failed" if count.failed else ""
    return f" · {count.succeeded}/{count.started} iterations{failed}"


def _events_table(events: list[Event]) -> str:
    rows = "".join(
        f'<tr><td class="n">{event["id"]}</td><td>{escape(event["type"])}</td>'
        f"<td>{escape(str(details(event).get('name', '')))}</td><td>{_time(event['timestamp'])}</td></tr>"
        for event in events[:_EVENTS_SHOWN]
    )
    more = len(events) > _EVENTS_SHOWN
    cut = f'<p class="dim">The first {_EVENTS_SHOWN} of {len(events)} events.</p>' if more else ""
    return (
        f'<table><thead><tr><th scope="col" class="n">Id</th><th scope="col">Type</th><th scope="col">Name</th>'
        f'<th scope="col">Time</th></tr></thead><tbody>{rows}</tbody></table>{cut}'
    )


def _text(text: str) -> str:
    """JSON indented, other text as it is; cut, escaped, ARNs of executions as links."""
    with contextlib.suppress(ValueError):  # not JSON: shown as it is
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    shown = text[:_TEXT_SHOWN] + ("\n… cut" if len(text) > _TEXT_SHOWN else "")
    linked = _EXECUTION_ARN.sub(lambda arn: f'<a href="{execution_path(arn[0])}">{arn[0]}</a>', escape(shown))
    return f'<pre tabindex="0">{linked or "–"}</pre>'


def _execution_badge(status: str) -> str:
    return f'<span class="badge {_EXECUTION_CLASSES.get(status, "failed")}">{escape(status)}</span>'


def _time(at: datetime) -> str:
    return f'<time datetime="{at.isoformat()}">{at.astimezone():%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}</time>'


def _duration(start: datetime, stop: datetime | None) -> str:
    return f"{(stop - start).total_seconds():.2f} s" if stop else "running"
