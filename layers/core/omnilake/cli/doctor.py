"""``omnilake doctor``: whether a deployment works."""

from __future__ import annotations

import click
from rich.console import Console
from rich.markup import escape

from omnilake.cli import connection
from omnilake.cli.connection import json_option, print_json

_STYLES = {"ok": "green", "warning": "yellow", "broken": "red", "unknown": "magenta"}


@click.command(short_help="Check a deployment; nothing is changed.")
@json_option
@click.pass_obj
def doctor(stack: str, as_json: bool) -> None:
    """Check a deployment: stack, API, access, models, alarms, dead letters, failed jobs. Nothing is changed.

    The exit code is 1 when something is broken.
    """
    from omnilake.client.diagnosis import Diagnosis, Health

    console = Console()
    found = []
    for finding in Diagnosis(stack, connection.connect(stack)).findings():
        found.append(finding)
        if not as_json:
            style = _STYLES[finding.health.value]
            head = f"[{style}]{finding.health.value:<8}[/] {finding.check:<7}"
            console.print(f"{head} {escape(finding.told)}", soft_wrap=True, highlight=False)
    if as_json:
        print_json([finding._asdict() for finding in found])
    if any(finding.health is Health.BROKEN for finding in found):
        raise click.exceptions.Exit(1)
