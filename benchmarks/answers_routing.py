"""Section routing: how often the router's examples send a question the right way, and notice one that has none.

Sets are folders with a ``data_full.json`` of CLINC150's format (https://github.com/clinc/oos-eval, CC BY 3.0): lists
of [question, intent] under ``train``, ``val``, ``test``, and of questions without one under ``oos_val``, ``oos_test``.
Each intent is a route whose examples are its training questions. What decides is the router's own code and the embedder
of the models layer; no model is asked.

accuracy       share of the test questions that go their intent's way, at the floor that is best on the validation set
oos_recall     share of the questions without an intent that go no route's way, at the same floor
at_default     both at the floor that the product's configuration has
without_floor  accuracy when every question must go some way

The floor that is best: with the fewest wrong decisions on ``val`` and ``oos_val``, both weighing as in the test set.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import report

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.answers import Run

_PARTS = ("train", "val", "oos_val", "test", "oos_test")
_FLOORS = [step / 100 for step in range(30, 91)]
_BATCH = 64


class Decision(NamedTuple):
    """The nearest route of a question, how near it is, and the one that it belongs to (empty: none)."""

    nearest: str
    nearness: float
    wanted: str


def measure(run: Run) -> dict[str, Any]:
    """Figures of each set; ``routing_accuracy`` is the mean accuracy over the sets."""
    figures: dict[str, Any] = {}
    for path in sorted(run.data.glob("*/data_full.json")):
        if run.sets and path.parent.name not in run.sets:
            continue
        told = json.loads(path.read_text())
        if all(part in told for part in _PARTS):
            figures[path.parent.name] = _measured(run, path.parent.name, told)
    if not figures:
        run.say("no set of CLINC150's format here (data_full.json)")
        return {}
    accuracies = [each["accuracy"] for each in figures.values()]
    return {"routing_accuracy": sum(accuracies) / len(accuracies), "routing": figures}


def _measured(run: Run, name: str, told: dict[str, list[list[str]]]) -> dict[str, Any]:
    from omnilake.configuration import product

    floor = product("extractive").route_nearness
    vectors = {part: _embedded(run, [question for question, _ in told[part]], part) for part in _PARTS}
    run.say(f"{name}: {sum(map(len, vectors.values()))} questions embedded")
    routes = [intent for _, intent in told["train"]]
    began = time.perf_counter()
    decided = {
        part: _decisions(routes, vectors["train"], vectors[part], told[part], run.queries, known=not oos)
        for part, oos in (("val", False), ("oos_val", True), ("test", False), ("oos_test", True))
    }
    count = sum(map(len, decided.values()))
    run.say(f"{name}: {count} questions routed in {time.perf_counter() - began:.0f} s")
    best = _best_floor(decided, weight=len(told["oos_test"]) / len(told["test"]))
    at_default = {
        "accuracy": _accuracy(decided["test"], floor),
        "oos_recall": _recall(decided["oos_test"], floor),
    }
    figures: dict[str, Any] = {
        "accuracy": _accuracy(decided["test"], best),
        "oos_recall": _recall(decided["oos_test"], best),
        "floor": best,
        "at_default": {"floor": floor, **at_default},
        "without_floor": _accuracy(decided["test"], -1.0),
        "routes": len(set(routes)),
        "examples": len(routes),
        "questions": {part: len(decided[part]) for part in ("test", "oos_test")},
        "ms_per_question": 1_000 * (time.perf_counter() - began) / count,
    }
    rows = {key: value for key, value in figures.items() if isinstance(value, int | float)}
    told_default = {f"{key} at the default floor": value for key, value in at_default.items()}
    report.table(f"routing by examples, {name}", rows | told_default)
    return figures


def _decisions(
    routes: Sequence[str],
    examples: NDArray[np.float32],
    questions: NDArray[np.float32],
    told: list[list[str]],
    most: int | None,
    *,
    known: bool,
) -> list[Decision]:
    from omnilake.retrieval.routing import nearest_route, route_nearness

    listed = _spread(len(told), most)
    decided = []
    for number in listed:
        near = route_nearness(questions[number].tolist(), routes, examples)
        nearest = nearest_route(near, -1.0) or ""
        decided.append(Decision(nearest, near[nearest], told[number][1] if known else ""))
    return decided


def _spread(count: int, most: int | None) -> list[int]:
    """At most so many numbers below ``count``, evenly spread: the questions of an intent stand together."""
    if most is None or most >= count:
        return list(range(count))
    return [number * count // most for number in range(most)]


def _accuracy(decided: Sequence[Decision], floor: float) -> float:
    return sum(each.nearest == each.wanted and each.nearness >= floor for each in decided) / len(decided)


def _recall(decided: Sequence[Decision], floor: float) -> float:
    return sum(each.nearness < floor for each in decided) / len(decided)


def _best_floor(decided: dict[str, list[Decision]], weight: float) -> float:
    def right(floor: float) -> float:
        return _accuracy(decided["val"], floor) + weight * _recall(decided["oos_val"], floor)

    return max(_FLOORS, key=right)


def _embedded(run: Run, questions: list[str], part: str) -> NDArray[np.float32]:
    """Vectors by the embedder of the models layer, kept for the next run."""
    digest = hashlib.sha256(json.dumps(questions).encode()).hexdigest()[:16]
    path: Path = run.cache / f"routing-{part}-{digest}.npy"
    if path.exists():
        kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
        return kept
    if str(run.models) not in sys.path:
        sys.path.append(str(run.models))
    from omnilake import embedding

    provider = embedding.provider_for(embedding.default_space())
    # Texts of one length together: a batch is padded to its longest.
    order = sorted(range(len(questions)), key=lambda number: len(questions[number]))
    made = np.zeros((len(questions), provider.space.dimensions), dtype=np.float32)
    for first in range(0, len(order), _BATCH):
        some = order[first : first + _BATCH]
        made[some] = provider.embed_passages([questions[number] for number in some])
    np.save(path, made, allow_pickle=False)
    return made
