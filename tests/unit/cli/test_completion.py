"""``omnilake completion``: the scripts, and what a shell is offered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from omnilake import cli


def offered(words: str) -> list[str]:
    """What is offered for the last of the words."""
    told = {"_OMNILAKE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    lines = CliRunner().invoke(cli.cli, [], env=told, prog_name="omnilake").output.splitlines()
    return [line.partition(",")[2] for line in lines]


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete --no-files --command omnilake")]
)
def test_every_shell_gets_its_script(shell: str, word: str) -> None:
    done = CliRunner().invoke(cli.cli, ["completion", shell])
    assert done.exit_code == 0
    assert word in done.output
    assert "_OMNILAKE_COMPLETE" in done.output


def test_another_shell_is_wrong_usage() -> None:
    assert CliRunner().invoke(cli.cli, ["completion", "tcsh"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("omnilake jo", ["jobs"]),
        ("omnilake jobs re", ["redrive", "retry"]),
        ("omnilake --local archive cr", ["create"]),
        ("omnilake ask docs question --prompt", ["--prompt-only"]),
        ("omnilake ask docs question --style st", ["steps"]),
        ("omnilake jobs ls --status CAN", ["CANCELLED"]),
    ],
)
def test_commands_options_and_choices_are_offered(words: str, found: list[str]) -> None:
    assert offered(words) == found


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    program = tmp_path / "omnilake"
    program.write_text(f"#!{sys.executable}\nfrom omnilake.cli import main\nmain()\n")
    program.chmod(0o755)
    script = (
        'eval "$(omnilake completion bash)"; COMP_WORDS=(omnilake conf); COMP_CWORD=1; _omnilake_completion omnilake; '
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["bash", "-c", script + "echo ${COMPREPLY[@]}"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "configuration\n"
