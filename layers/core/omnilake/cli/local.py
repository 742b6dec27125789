"""``omnilake local``: the embedded cloud, from a checkout.

The embedded cloud (package ``omnilake_local``) is part of the repository and not of the installed client, so it is
imported only when one of these commands runs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from omnilake_local.lifecycle import Status

_LOG_LINES = 40

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object: what `status` shows.")

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="OMNILAKE_HOME",
    help="Where the embedded cloud keeps its state. Default: .omnilake/cloud in the checkout.",
)


@contextmanager
def _explained_errors() -> Iterator[None]:
    """Show an error of the embedded cloud with what to do and the end of its log; exit with 1."""
    try:
        from omnilake_local.errors import LocalCloudError
        from omnilake_local.subprocesses import tail
    except ImportError as error:
        raise click.ClickException(
            f"The embedded cloud is part of the OmniLake repository ({error}): run this from a checkout set up with "
            "`make setup`."
        ) from error
    try:
        yield
    except LocalCloudError as error:
        console = Console(stderr=True)
        if error.log is not None:
            console.print(f"[dim]… end of {escape(str(error.log))}[/]", soft_wrap=True)
            for line in tail(error.log, _LOG_LINES):
                console.print(f"[dim]│[/] {escape(line)}", highlight=False, soft_wrap=True)
        console.print(f"[red]Error:[/] {escape(str(error))}", soft_wrap=True)
        if error.action:
            console.print(escape(error.action), soft_wrap=True)
        raise click.exceptions.Exit(1) from error


@click.group()
def local() -> None:
    """The embedded cloud: the whole product on this machine."""


@local.command(short_help="Start the embedded cloud and deploy to it.")
@state_dir_option
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: 4566, or the next free one.")
@click.option(
    "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="Of template.yaml; only until the next up."
)
@json_option
def up(state_dir: Path | None, port: int | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """Start the embedded cloud and deploy this checkout to it; do nothing that is done already."""
    console = Console(stderr=as_json)
    if unclear := [each for each in pairs if not each.partition("=")[1]]:
        raise click.BadParameter(f"{unclear[0]} is not NAME=VALUE.", param_hint="--parameter")
    started = time.monotonic()
    with _explained_errors():
        from omnilake_local import lifecycle, paths, progress

        project, state = paths.find_project(), paths.find_state_dir(state_dir)
        parameters = dict(each.split("=", 1) for each in pairs)
        printer = progress.StepPrinter(console)
        server = lifecycle.up(project, state, port=port, progress=printer, parameters=parameters)
        if as_json:
            click.echo(json.dumps(lifecycle.status(project, state).as_dict(), indent=2))
            return
    console.print(
        f"Ready at {server.endpoint_url} in {time.monotonic() - started:.1f} s. "
        "`omnilake local status` shows more; `omnilake local down` stops it and keeps its state.",
        highlight=False,
        soft_wrap=True,
    )


@local.command()
@state_dir_option
def down(state_dir: Path | None) -> None:
    """Stop the embedded cloud. Its state stays for the next `up`."""
    console = Console()
    with _explained_errors():
        from omnilake_local import lifecycle, paths, progress

        was_running = lifecycle.down(paths.find_state_dir(state_dir), progress.StepPrinter(console))
    if not was_running:
        console.print("No embedded cloud is running here.")


@local.command()
@state_dir_option
@json_option
def status(state_dir: Path | None, as_json: bool) -> None:
    """Show endpoint, stack, functions with peak memory, and queues.

    The last lines are the environment for boto3, the AWS CLI and the Python client.
    """
    with _explained_errors():
        from omnilake_local import lifecycle, paths

        found = lifecycle.status(paths.find_project(), paths.find_state_dir(state_dir))
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2))
    else:
        _print_status(Console(), found)


def _print_status(console: Console, found: Status) -> None:
    minutes, seconds = divmod(int(found.uptime_s), 60)
    health = "healthy" if found.healthy else "[red]does not answer[/]"
    console.print(f"Endpoint   {found.endpoint_url}  (pid {found.pid}, up {minutes} min {seconds} s, {health})")
    console.print(f"Stack      {found.stack_name}: {found.stack_status or 'not deployed'}")
    console.print(f"State      {escape(found.state_dir)}", soft_wrap=True)
    functions = Table("Function", "Memory MB", "Peak MB", "Calls", "Cold starts", "Workers", box=None, pad_edge=False)
    for column in functions.columns[1:]:
        column.justify = "right"
    for each in found.functions:
        keys = ("memory_size_mb", "peak_rss_mb", "invocations", "cold_starts", "workers")
        name = _logical_id(str(each["function"]), found.stack_name)
        functions.add_row(escape(name), *(_cell(each.get(key)) for key in keys))
    queues = Table("Queue", "Waiting", "In flight", box=None)
    for queue in found.queues:
        queues.add_row(queue.name, str(queue.visible), str(queue.in_flight))
    for title, table in (("functions invoked", functions), ("queues", queues)):
        console.print()
        console.print(table if table.row_count else f"[dim]No {title} yet.[/]")
    console.print("\nFor boto3 and the AWS CLI:")
    click.echo("unset AWS_PROFILE")
    for name, value in found.env.items():
        click.echo(f"export {name}={value}")


def _logical_id(function: str, stack: str) -> str:
    """Name of a function in the template, which fits a terminal and finds its logs; CloudFormation puts the stack's
    before it and random digits behind."""
    return re.sub(rf"^{re.escape(stack)}-(\w+)-[0-9A-Za-z]+$", r"\1", function)


def _cell(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else "–" if value is None else escape(str(value))


@local.command(short_help="What functions wrote.")
@click.argument("function", required=False)
@state_dir_option
@click.option("--server", is_flag=True, help="The server's own log.")
@click.option("--follow", "-f", is_flag=True, help="Go on until interrupted.")
@click.option("--lines", "-n", type=click.IntRange(1), default=100, show_default=True, help="Most of the last lines.")
def logs(function: str | None, state_dir: Path | None, server: bool, follow: bool, lines: int) -> None:
    """Show what functions wrote: all of them, or those whose name contains FUNCTION."""
    if server and function:
        raise click.UsageError("Name a function or give --server, not both.")
    with _explained_errors():
        from omnilake_local import cloud, logs, paths

        try:
            if server:
                for line in logs.server_lines(paths.find_state_dir(state_dir), follow=follow, last=lines):
                    click.echo(line)
                return
            endpoint = cloud.connect(state_dir).endpoint_url
            for name, line in logs.function_lines(endpoint, function, follow=follow, last=lines):
                click.echo(f"{click.style(name, fg='cyan')}  {line}")
        except KeyboardInterrupt:
            click.echo()


@local.command()
@click.argument("execution", required=False)
@state_dir_option
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: 4580, or the next free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def console(execution: str | None, state_dir: Path | None, port: int | None, no_browser: bool) -> None:
    """Serve a read-only page of state machines and executions.

    With EXECUTION (an ARN) it opens that one.
    """
    with _explained_errors():
        from omnilake_local import cloud
        from omnilake_local import console as page

        running = cloud.connect(state_dir)
        server = page.make_server(running.endpoint_url, port)
        url = page.url_of(server, execution)
        click.echo(f"{url}   (Ctrl-C ends it)")
        if not no_browser:
            click.launch(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()
        finally:
            server.server_close()
