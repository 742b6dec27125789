"""Claims as text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from omnilake.models import AnswerClaim


def render(claims: Sequence[AnswerClaim]) -> str:
    """The answer's text: one claim a line, each followed by the numbers of its citations.

    Claims that contradict one another stand together, at the place of the first, below a line that says so.
    """
    lines: list[str] = []
    for conflict, group in in_conflict(claims):
        if conflict:
            lines.append(f"The sources contradict one another ({conflict}):")
        lines += [_line(claim, bullet="- " if conflict else "") for claim in group]
    return "\n".join(lines)


def in_conflict(claims: Sequence[AnswerClaim]) -> list[tuple[str, list[AnswerClaim]]]:
    """Claims in their order, those of one conflict together; the name is empty where only one of them is left."""
    groups: dict[tuple[str, int], list[AnswerClaim]] = {}
    for position, claim in enumerate(claims):
        groups.setdefault((claim.conflict, -1 if claim.conflict else position), []).append(claim)
    return [(name if len(group) > 1 else "", group) for (name, _), group in groups.items()]


def _line(claim: AnswerClaim, bullet: str) -> str:
    return f"{bullet}{claim.text} {''.join(f'[{number}]' for number in claim.citations)}"
