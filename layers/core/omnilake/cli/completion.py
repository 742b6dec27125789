"""``omnilake completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_OMNILAKE_COMPLETE"


@click.command(short_help="Completion of commands for your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands in a SHELL.

    \b
    ~/.bashrc:  eval "$(omnilake completion bash)"
    ~/.zshrc:   eval "$(omnilake completion zsh)"
    fish:       omnilake completion fish > ~/.config/fish/completions/omnilake.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"There is no completion for {shell}.")
    click.echo(kind(context.find_root().command, {}, "omnilake", _VARIABLE).source())
