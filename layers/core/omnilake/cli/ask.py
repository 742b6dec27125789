"""``omnilake ask``: a question, its progress, and the answer with its citations."""

from __future__ import annotations

from typing import Any

import click

from omnilake.cli import connection
from omnilake.cli.answers import ABSTAINED, answer_of, follow, tell
from omnilake.cli.connection import json_option
from omnilake.cli.scope import parse_filter, scope_options
from omnilake.client.client import JobHandle, OmniLake
from omnilake.models import (
    AnswerStatus,
    AnswerStyle,
    Deliverable,
    ProviderChoices,
    RetrievalMode,
)

_STEPS = tuple(ProviderChoices.model_fields)


def parse_models(told: tuple[str, ...]) -> dict[str, str]:
    """Names of models by step, out of ``step=name``.

    Raises:
        click.BadParameter: another form, or a step that there is not.
    """
    chosen = {}
    for each in told:
        step, _, name = each.partition("=")
        if not name or step not in _STEPS:
            raise click.BadParameter(f"{each!r} is not STEP=NAME with a step of: {', '.join(_STEPS)}.")
        chosen[step] = name
    return chosen


@click.command(short_help="Ask a question; the answer cites documents.")
@scope_options
@click.option("--goal", help="What the answer is for.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in RetrievalMode], case_sensitive=False),
    help="EXCLUSIVE: only what matches (default). INCLUSIVE: all of the archive.",
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="INCLUSIVE: what has it comes first.")
@click.option("--related", "related_to", metavar="JOB", help="Only the sources of this job's answer.")
@click.option("--business", "business_id", metavar="ID", help="Only documents of this tenant.")
@click.option("--region", metavar="NAME", help="Only documents of this region of the tenant.")
@click.option("--style", type=click.Choice([style.value for style in AnswerStyle]), help="Default: concise.")
@click.option("--model", "models", multiple=True, metavar="STEP=NAME", help="A configured model for a step.")
@click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Most that models may cost.")
@click.option("--max-tokens", type=click.IntRange(0), metavar="N", help="Most tokens that models read and write.")
@click.option("--evidence", "evidence_limit", type=click.IntRange(1, 10_000), help="Most chunks to read. Default: 24.")
@click.option("--claims", "max_claims", type=click.IntRange(1, 50), help="Most claims. Default: 6.")
@click.option("--prompt-only", is_flag=True, help="Only the assembled prompt, for a model of your own.")
@click.option("--quote", is_flag=True, help="Only what the answer would take: tokens, calls, money, time.")
@click.option("--to", "destination_archive", metavar="ARCHIVE", help="The answer becomes an entry of this archive.")
@click.option("--key", "idempotency_key", metavar="KEY", help="The same request under the same key is asked once.")
@json_option
@click.pass_obj
def ask(
    stack: str,
    /,
    archive_id: str,
    question: str,
    also: tuple[str, ...],
    filters: tuple[str, ...],
    mode: str | None,
    related_to: str | None,
    models: tuple[str, ...],
    prompt_only: bool,
    quote: bool,
    idempotency_key: str | None,
    as_json: bool,
    business_id: str | None,
    region: str | None,
    **told: Any,
) -> None:
    """Ask an archive a question: its progress, then the answer with its citations.

    The exit code is 3 when the archive does not hold an answer.
    """
    if prompt_only and quote:
        raise click.UsageError("--prompt-only and --quote exclude one another.")
    if related_to:
        mode = mode or RetrievalMode.RELATED
    deliver = Deliverable.PROMPT if prompt_only else Deliverable.QUOTE if quote else None
    tenant = {"business_id": business_id, "region": region}
    options = told | {
        "mode": mode and mode.upper(),
        "related_to": related_to,
        "filters": [parse_filter(each) for each in filters],
        "tenant": {name: value for name, value in tenant.items() if value},
        "providers": parse_models(models),
        "deliver": deliver,
    }
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None and value not in ((), [], {})
    }
    lake = connection.connect(stack)
    handle = lake.ask([archive_id, *also], question, idempotency_key=idempotency_key or "", **given)
    _await(lake, handle, as_json=as_json)


@click.command(short_help="The answer of a job; waits while it is made.")
@click.argument("job_id")
@json_option
@click.pass_obj
def answer(stack: str, job_id: str, as_json: bool) -> None:
    """Show the answer of a job that asked, as `ask` does; wait for it while it is made.

    The exit code is 3 when the archive does not hold an answer.
    """
    lake = connection.connect(stack)
    _await(lake, lake.jobs.handle(job_id), as_json=as_json)


def _await(lake: OmniLake, handle: JobHandle, *, as_json: bool) -> None:
    job = follow(handle)
    made = answer_of(lake, job, as_json=as_json)
    tell(lake, job, made, as_json=as_json)
    if made.status is AnswerStatus.ABSTAINED:
        raise click.exceptions.Exit(ABSTAINED)
