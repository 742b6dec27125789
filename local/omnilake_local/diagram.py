"""State machines as pictures: the graph of an ASL definition, laid out in layers, and as Mermaid text.

The layout is the first steps of Sugiyama's (Sugiyama, Tagawa, Toda: Methods for Visual Understanding of Hierarchical
System Structures, 1981): a state's row is its longest way from the start, where edges that go back do not count;
within a row states are ordered by the mean place of what leads to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class Edge:
    """A way from one state to another."""

    source: str
    target: str
    kind: str
    """``next``, ``choice``, ``default`` or ``catch``."""
    label: str = ""


@dataclass(frozen=True)
class Place:
    """Where a state stands: row and column, both from 0; columns may be fractions."""

    row: int
    column: float


def edges(definition: Definition) -> list[Edge]:
    """Ways between the states of one level, each pair once."""
    found: dict[tuple[str, str], Edge] = {}
    for name, state in definition["States"].items():
        for edge in _edges_of(name, state):
            found.setdefault((edge.source, edge.target), edge)
    return list(found.values())


def _edges_of(name: str, state: Definition) -> Iterator[Edge]:
    if "Next" in state:
        yield Edge(name, state["Next"], "next")
    for choice in state.get("Choices", []):
        yield Edge(name, choice["Next"], "choice", str(choice.get("Comment", "")))
    if "Default" in state:
        yield Edge(name, state["Default"], "default", "otherwise")
    for catch in state.get("Catch", []):
        yield Edge(name, catch["Next"], "catch", "on error")


def nested(state: Definition) -> list[Definition]:
    """Definitions inside a state: a Map's processor, a Parallel's branches."""
    processor = state.get("ItemProcessor") or state.get("Iterator")
    return ([processor] if processor else []) + list(state.get("Branches", []))


def flatten(definition: Definition) -> Iterator[tuple[str, Definition]]:
    """All states of all levels with their names, the outer before the inner."""
    for name, state in definition["States"].items():
        yield name, state
        for inner in nested(state):
            yield from flatten(inner)


def layout(definition: Definition) -> dict[str, Place]:
    """Place of each state of one level."""
    ways = edges(definition)
    forward = _without_returns(definition["StartAt"], list(definition["States"]), ways)
    rows = _rows(list(definition["States"]), forward)
    places: dict[str, Place] = {}
    for row in range(max(rows.values(), default=0) + 1):
        members = [name for name, at in rows.items() if at == row]

        def wish(name: str) -> float:
            above = [places[source].column for source, target in forward if target == name and source in places]
            return sum(above) / len(above) if above else 0.0

        members.sort(key=wish)
        for number, name in enumerate(members):
            places[name] = Place(row, number - (len(members) - 1) / 2)
    return places


def _without_returns(start: str, names: list[str], ways: list[Edge]) -> list[tuple[str, str]]:
    """Edges that remain when those that close a cycle are left out (depth first from the start)."""
    targets: dict[str, list[str]] = {name: [] for name in names}
    for way in ways:
        targets[way.source].append(way.target)
    open_, done, forward = set[str](), set[str](), list[tuple[str, str]]()

    def visit(name: str) -> None:
        open_.add(name)
        for target in targets[name]:
            if target in open_:
                continue
            forward.append((name, target))
            if target not in done:
                visit(target)
        open_.discard(name)
        done.add(name)

    for name in [start, *names]:
        if name not in done:
            visit(name)
    return forward


def _rows(names: list[str], forward: list[tuple[str, str]]) -> dict[str, int]:
    rows = dict.fromkeys(names, 0)
    for _ in names:  # the longest way has fewer edges than there are states
        for source, target in forward:
            rows[target] = max(rows[target], rows[source] + 1)
    return rows


def mermaid(asl: Definition) -> str:
    """A state machine as a Mermaid ``stateDiagram-v2``, Map and Parallel states with their inside.

    Args:
        asl: a definition as parsed JSON; substitutions may still be in it.
    """
    ids = {name: f"s{number}" for number, (name, _) in enumerate(flatten(asl))}
    return "\n".join(["stateDiagram-v2", *_mermaid_level(asl, ids, "  ")]) + "\n"


def _mermaid_level(definition: Definition, ids: Mapping[str, str], indent: str) -> Iterator[str]:
    yield f"{indent}[*] --> {ids[definition['StartAt']]}"
    for name, state in definition["States"].items():
        yield f'{indent}state "{_mermaid_text(name)}" as {ids[name]}'
        inside = nested(state)
        if inside:
            yield f"{indent}state {ids[name]} {{"
            for number, inner in enumerate(inside):
                if number:
                    yield f"{indent}  --"
                yield from _mermaid_level(inner, ids, indent + "  ")
            yield f"{indent}}}"
        elif state["Type"] == "Choice":
            yield f"{indent}note right of {ids[name]} : choice"
    for edge in edges(definition):
        label = f" : {_mermaid_text(edge.label)}" if edge.label else ""
        yield f"{indent}{ids[edge.source]} --> {ids[edge.target]}{label}"
    for name, state in definition["States"].items():
        if state.get("End") or state["Type"] in ("Succeed", "Fail"):
            yield f"{indent}{ids[name]} --> [*]"


def _mermaid_text(text: str) -> str:
    """Text without what Mermaid's parser takes for syntax."""
    return text.replace('"', "'").replace(":", " ").replace(";", ",").replace("\n", " ").replace("#", "")
