"""What the documents name must exist: error codes, runbooks, make targets, commands of the CLI, linked files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from omnilake.cli import cli
from omnilake.errors import OmniLakeError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")],
)

_FENCED = re.compile(r"^```[a-z]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
_PLACEHOLDER = re.compile(r"^[A-Z_]+$|^[$\"'<]")


def code(document: str) -> str:
    """The code of a document, fenced and inline, a line each; prose that says "make" is none."""
    fenced = _FENCED.findall(document)
    return "\n".join([*fenced, *_INLINE.findall(_FENCED.sub("", document))])


def error_classes(base: type[OmniLakeError] = OmniLakeError) -> Iterator[type[OmniLakeError]]:
    yield base
    for each in base.__subclasses__():
        if each.__module__ == OmniLakeError.__module__:
            yield from error_classes(each)


def make_targets(makefile: str) -> set[str]:
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    return set(phony[1].split())


def named_make_targets(document: str) -> set[str]:
    named = re.findall(r"(?:^|\s)make((?: [a-z][a-z-]*)+)(?=\s|$)", code(document), re.MULTILINE)
    return {target for targets in named for target in targets.split()}


def named_commands(document: str) -> list[str]:
    """Calls of the CLI without its path, e.g. ``--local archive create team``."""
    called = re.findall(r"(?:^|\s|bin/)omnilake ((?:--?[a-z]|[a-z])[^#\n]*)", code(document), re.MULTILINE)
    return [call.strip() for call in called]


def unknown_part(call: str, command: click.Command) -> str | None:
    """The first word of a call that is neither a command nor an option where it stands, None if all are."""
    words = call.split()
    while words:
        word = words.pop(0)
        options = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
        if word.startswith("-"):
            option = options.get(word.partition("=")[0])
            if option is None:
                return None if word in {"-h", "--help"} else word
            if isinstance(option, click.Option) and not option.is_flag and "=" not in word and words:
                words.pop(0)
        elif isinstance(command, click.Group):
            if _PLACEHOLDER.match(word):
                return word
            found = command.commands.get(word)
            if found is None:
                return word
            command = found
    return None


def test_every_error_code_is_explained() -> None:
    explained = (ROOT / "docs" / "troubleshooting.md").read_text()
    for each in error_classes():
        assert f"| `{each.code}` | {each.__name__} |" in explained


def test_every_runbook_that_an_alarm_links_exists() -> None:
    linked = set(re.findall(r"\$\{RunbookBaseUrl\}/([\w-]+\.md)", (ROOT / "template.yaml").read_text()))
    assert len(linked) >= 7
    assert linked == {path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README.md"}


def test_every_alarm_links_a_runbook() -> None:
    template = (ROOT / "template.yaml").read_text()
    descriptions = re.findall(r"^ +AlarmDescription: (.*)$", template, re.MULTILINE)
    assert len(descriptions) == template.count("Type: AWS::CloudWatch::Alarm")
    assert all("${RunbookBaseUrl}/" in description for description in descriptions)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    assert named_make_targets(path.read_text()) <= make_targets((ROOT / "Makefile").read_text())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_that_is_named_exists(path: Path) -> None:
    unknown = {call: part for call in named_commands(path.read_text()) if (part := unknown_part(call, cli))}
    assert not unknown


@pytest.mark.parametrize("error", list(error_classes()), ids=lambda error: error.__name__)
def test_every_command_that_an_error_advises_exists(error: type[OmniLakeError]) -> None:
    calls = re.findall(r"omnilake ([a-z][a-z -]*[a-z])", error.advice)
    assert not {call: part for call in calls if (part := unknown_part(call, cli))}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_linked_file_exists(path: Path) -> None:
    missing = [link for link in _LINK.findall(path.read_text()) if not (path.parent / link).exists()]
    assert not missing


def test_the_readme_names_the_commands_that_a_stranger_runs_first() -> None:
    readme = (ROOT / "README.md").read_text()
    assert {"demo", "test", "build", "sam-local"} <= named_make_targets(readme)
    assert len(named_commands(readme)) >= 8


@pytest.mark.parametrize(
    ("call", "unknown"),
    [
        ("--local ask team question", None),
        ("local up --port 4567", None),
        ("--stack other jobs show JOB_ID", None),
        ("jobs nothing", "nothing"),
        ("ask team --colour blue", "--colour"),
        ("nothing", "nothing"),
    ],
)
def test_a_command_that_does_not_exist_is_found(call: str, unknown: str | None) -> None:
    assert unknown_part(call, cli) == unknown


def test_every_template_parameter_is_in_the_readme() -> None:
    template = (ROOT / "template.yaml").read_text()
    parameters = re.findall(
        r"^  (\w+):$", template.split("\nParameters:\n")[1].split("\nConditions:\n")[0], re.MULTILINE
    )
    readme = (ROOT / "README.md").read_text()
    assert len(parameters) >= 10
    assert [name for name in parameters if f"`{name}`" not in readme] == []
