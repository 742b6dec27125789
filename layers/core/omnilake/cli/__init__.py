"""The command line: ``omnilake``. Not part of the Lambda layer.

Exit codes, and what ``--json`` prints: docs/command-line.md.
"""

from __future__ import annotations

import os
import sys

import click
from rich.console import Console

from omnilake import __version__
from omnilake.cli.add import add
from omnilake.cli.archive import archive
from omnilake.cli.ask import answer, ask
from omnilake.cli.collection import collection
from omnilake.cli.completion import completion
from omnilake.cli.configuration import configuration
from omnilake.cli.console import console
from omnilake.cli.demo import demo
from omnilake.cli.doctor import doctor
from omnilake.cli.entries import entries
from omnilake.cli.jobs import jobs
from omnilake.cli.local import local
from omnilake.cli.replay import diff, replay
from omnilake.cli.search import search
from omnilake.cli.source import source, sync
from omnilake.cli.upload import upload
from omnilake.client.signing import ENDPOINT_VARIABLE, TOKEN_VARIABLE
from omnilake.errors import OmniLakeError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="omnilake")
@click.option("--stack", default="omnilake", envvar="OMNILAKE_STACK", show_default=True, help="CloudFormation stack.")
@click.option("--local/--cloud", "embedded", default=None, help="The embedded cloud, or AWS. Default: --cloud.")
@click.option("--endpoint", envvar=ENDPOINT_VARIABLE, help="Address of the API. Default: the stack's output.")
@click.pass_context
def cli(context: click.Context, stack: str, embedded: bool | None, endpoint: str | None) -> None:
    """OmniLake: documents in, checked answers out.

    \b
    omnilake archive create team
    omnilake upload team handbook/ "notes/**/*.md"
    omnilake ask team "Who is on call?"

    Commands go to the API of a stack. AWS credentials sign what is asked, or the token in OMNILAKE_TOKEN goes with it.
    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no answer, 130 interrupted. docs/command-line.md.
    """
    context.obj = stack
    if embedded:
        from omnilake_local.cloud import connect

        for name in ("AWS_PROFILE", ENDPOINT_VARIABLE, TOKEN_VARIABLE):
            os.environ.pop(name, None)
        os.environ.update(connect().env)
    elif endpoint:
        os.environ[ENDPOINT_VARIABLE] = endpoint


for command in (
    archive,
    add,
    upload,
    collection,
    source,
    sync,
    entries,
    search,
    ask,
    answer,
    replay,
    diff,
    jobs,
    configuration,
    doctor,
    console,
    demo,
    local,
    completion,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: errors that the product raises on purpose are shown without a stack trace."""
    try:
        code = cli(standalone_mode=False)  # click returns the code of Context.exit in this mode
    except click.exceptions.Abort:  # Ctrl-C, or a question was answered with no
        click.echo("Aborted.", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        shown = _expected(error)
        if shown is None:
            raise
        Console(stderr=True).print(shown, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    sys.exit(code)


def _expected(error: Exception) -> str | None:
    """What to show of an error that is no defect of the program, else None."""
    if isinstance(error, OmniLakeError | TimeoutError):
        return str(error)
    try:
        from omnilake_local.errors import LocalCloudError
    except ImportError:
        return None
    return str(error) if isinstance(error, LocalCloudError) else None
