"""Where the boxes and ways of a state machine's picture lie, in pixels. Pure; ``diagram`` says which row and column.

Each row of states is centred. What is inside a Map or Parallel state is drawn within its box, below its own head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnilake_local.diagram import Definition, edges, layout, nested

BOX_WIDTH, BOX_HEIGHT = 190, 44
_GAP_X, _GAP_Y, _MARGIN = 30, 40, 24


@dataclass(frozen=True)
class Box:
    """A state: where it stands from the top left corner, and its size with what is inside."""

    name: str
    type: str
    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Box:
        return Box(self.name, self.type, self.x + x, self.y + y, self.width, self.height)


@dataclass(frozen=True)
class Way:
    """From one state to another: four control points of a cubic curve."""

    source: str
    target: str
    kind: str  # as of ``diagram.Edge``
    label: str
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """As the ``d`` of an SVG path."""
        start, *rest = (f"{x:.0f} {y:.0f}" for x, y in self.points)
        return f"M{start}C{' '.join(rest)}"

    def moved(self, x: float, y: float) -> Way:
        points = tuple((px + x, py + y) for px, py in self.points)
        return Way(self.source, self.target, self.kind, self.label, points)


@dataclass(frozen=True)
class Drawing:
    """A whole picture. Boxes that hold others come before them."""

    width: float
    height: float
    boxes: Sequence[Box]
    ways: Sequence[Way]


def draw(definition: Definition) -> Drawing:
    """The picture of one level of a definition, with all that is inside it."""
    places = layout(definition)
    inside = {name: [draw(inner) for inner in nested(state)] for name, state in definition["States"].items()}
    sizes = {
        name: (
            max(BOX_WIDTH, sum(each.width for each in drawn)),
            BOX_HEIGHT + max((each.height for each in drawn), default=0),
        )
        for name, drawn in inside.items()
    }
    rows: dict[int, list[str]] = {}
    for name in sorted(places, key=lambda name: (places[name].row, places[name].column)):
        rows.setdefault(places[name].row, []).append(name)
    widths = {row: sum(sizes[name][0] + _GAP_X for name in names) - _GAP_X for row, names in rows.items()}
    broadest = max(widths.values())
    own: dict[str, Box] = {}
    top = float(_MARGIN)
    for row, names in rows.items():
        left = _MARGIN + (broadest - widths[row]) / 2
        for name in names:
            own[name] = Box(name, definition["States"][name]["Type"], left, top, *sizes[name])
            left += sizes[name][0] + _GAP_X
        top += max(sizes[name][1] for name in names) + _GAP_Y
    boxes: list[Box] = []
    ways = [
        Way(edge.source, edge.target, edge.kind, edge.label or edge.kind, _curve(own[edge.source], own[edge.target]))
        for edge in edges(definition)
    ]
    for name, box in own.items():
        boxes.append(box)
        x, y = box.x, box.y + BOX_HEIGHT
        for drawn in inside[name]:
            boxes += [each.moved(x, y) for each in drawn.boxes]
            ways += [each.moved(x, y) for each in drawn.ways]
            x += drawn.width
    return Drawing(broadest + 2 * _MARGIN, top - _GAP_Y + _MARGIN, boxes, ways)


def _curve(source: Box, target: Box) -> tuple[tuple[float, float], ...]:
    x1, y1 = source.x + source.width / 2, source.y + source.height
    x2, y2 = target.x + target.width / 2, target.y
    if y2 > y1:
        bend = min(40.0, (y2 - y1) / 2)
        return (x1, y1), (x1, y1 + bend), (x2, y2 - bend), (x2, y2)
    # Back to an earlier state: around the right-hand side.
    x1, y1 = source.x + source.width, source.y + BOX_HEIGHT / 2
    x2, y2 = target.x + target.width, target.y + BOX_HEIGHT / 2
    out = max(x1, x2) + 18
    return (x1, y1), (out, y1), (out, y2), (x2, y2)
