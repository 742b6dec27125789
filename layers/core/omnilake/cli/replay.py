"""``omnilake replay`` and ``omnilake diff``: answers again, and side by side."""

from __future__ import annotations

from typing import Any

import click

from omnilake.cli import connection
from omnilake.cli.answers import answer_of, follow, show_diff, tell
from omnilake.cli.ask import parse_models
from omnilake.cli.connection import json_option, print_json, prose


@click.command(short_help="Make an answer again, or with another model or date.")
@click.argument("job_id")
@click.option("--model", "models", multiple=True, metavar="STEP=NAME", help="Fork: with this model for a step.")
@click.option("--as-of", "as_of", metavar="WHEN", help="Fork: over the archives as of then.")
@json_option
@click.pass_obj
def replay(stack: str, job_id: str, models: tuple[str, ...], as_of: str | None, as_json: bool) -> None:
    """Make an answer again from what was recorded of it, byte for byte; no model is called.

    Exits with 1 when it does not say the same as before. With --model or --as-of it forks: the new answer is shown with
    what sets it apart. As JSON: the new answer, or of a fork the difference.
    """
    lake = connection.connect(stack)
    before = lake.answers.get(job_id)
    changes: dict[str, Any] = {"providers": parse_models(models)} if models else {}
    if as_of is not None:
        changes["as_of"] = as_of
    job = follow(lake.requests.fork(job_id, **changes) if changes else lake.requests.replay(job_id))
    answer = answer_of(lake, job, as_json=as_json)
    if changes:
        difference = lake.answers.diff(job_id, job.job_id)
        if as_json:
            print_json(difference)
            return
        tell(lake, job, answer, as_json=False)
        show_diff(prose(), difference)
        return
    tell(lake, job, answer, as_json=as_json)
    same = before.content_hash == answer.content_hash
    told = f"sha256 {answer.content_hash}" + ("" if same else f", was {before.content_hash}")
    click.echo(f"{'identical to' if same else 'differs from'} {job_id}: {told}", err=as_json)
    if not same:
        raise click.exceptions.Exit(1)


@click.command(short_help="What sets two answers apart.")
@click.argument("first")
@click.argument("second")
@json_option
@click.pass_obj
def diff(stack: str, first: str, second: str, as_json: bool) -> None:
    """What sets two answers apart: claims of the SECOND job's added, removed and changed against the FIRST's."""
    difference = connection.connect(stack).answers.diff(first, second)
    if as_json:
        print_json(difference)
    else:
        show_diff(prose(), difference)
