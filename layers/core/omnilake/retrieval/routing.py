"""The router: which retrievers a question needs, and why.

In this order, and the first that decides, decides:

request    the caller names retrievers
rule       routes of the configuration with ``patterns`` or ``has``; the retrievers of all that match run
example    the route whose examples the question is nearest to, if it is near enough
model      a model picks one of the routes; what it says is read as one of their names, or as nothing
default    ``default_retrievers``

Names come from the deployment's allow-list alone: neither a question nor a model can make anything else run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from omnilake.configuration import AnsweringConfiguration, RetrieverConfig, Route
from omnilake.errors import InvalidRequest, StageFailed
from omnilake.models import Degradation, InformationRequest, LedgerLine, Model, RouteReason
from omnilake.retrieval import filters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

NEIGHBOURS = 3
"""So many of a route's examples, the nearest, stand for it; its centroid stands beside them."""

_URL = re.compile(r"\bhttps?://\S", re.I)
_DATE = re.compile(
    r"\b(?:\d{4}-\d{2}(?:-\d{2})?|(?:19|20)\d{2}|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,4}"
    r"|\d{1,2}\.\d{1,2}\.\d{2,4}|yesterday|today|(?:last|this|past) (?:week|month|quarter|year))\b",
    re.I,
)
_DATE_FIELDS = frozenset({"received_at", "effective_on", "posted_at"})


class By(StrEnum):
    """What decided (``RouteReason.by``)."""

    REQUEST = "request"
    RULE = "rule"
    EXAMPLE = "example"
    MODEL = "model"
    DEFAULT = "default"


class Routing(Model):
    """The retrievers to run, in the order of their names, and a reason for each that the deployment has."""

    retrievers: list[str]
    reasons: list[RouteReason]
    degraded: list[Degradation] = Field(default=[])
    """Of a model that was to choose and could not."""
    ledger: list[LedgerLine] = Field(default=[])


Nearness = Callable[[], Mapping[str, float]]
"""How near the question is to the examples of each route that has some (name → cosine); called only when no rule
decides."""

Ask = Callable[[Sequence[Route]], str]
"""What a model says when it is asked for one of these routes; called only when nothing before decides."""


def choose_retrievers(
    request: InformationRequest,
    configuration: AnsweringConfiguration,
    deployed: Collection[str],
    *,
    nearness: Nearness | None = None,
    ask: Ask | None = None,
) -> Routing:
    """Decide which retrievers run.

    Args:
        request: checked.
        configuration: its routes and retrievers.
        deployed: names of the retrievers that the deployment has.
        nearness: see :data:`Nearness`; None: examples decide nothing.
        ask: see :data:`Ask`; None: no model is asked.
    Raises:
        InvalidRequest: it names a retriever that is not deployed, or that the configuration switches off.
        StageFailed: no retriever is left to run.
    """
    usable = {name for name in deployed if configuration.retrievers.get(name, RetrieverConfig()).enabled}
    if request.retrievers:
        return _as_requested(request.retrievers, usable, deployed)
    routes = open_routes(request, configuration.routes, usable)
    by, note = By.RULE, ""
    chosen = _by_rules(request, routes)
    if not chosen and nearness is not None and any(route.examples for route in routes):
        by, chosen = By.EXAMPLE, _by_examples(nearness(), routes, configuration.route_nearness)
    if not chosen and ask is not None and routes:
        by, (chosen, note) = By.MODEL, _by_model(ask, routes)
    if not chosen:
        by, chosen = By.DEFAULT, dict.fromkeys(configuration.default_retrievers, note)
    if usable.isdisjoint(chosen):
        raise StageFailed(
            "No retriever is left to run.",
            action="Look at default_retrievers and retrievers in the configuration, and at the deployment's own.",
        )
    return _routing(by, chosen, usable, deployed)


def open_routes(request: InformationRequest, routes: Sequence[Route], usable: Collection[str]) -> list[Route]:
    """The routes that a request may take: it has what they ask for, and one of their retrievers can run."""
    found = facts(request)
    return [route for route in routes if found.issuperset(route.has) and not set(usable).isdisjoint(route.retrievers)]


def matches(route: Route, question: str) -> bool:
    """Whether the rule of a route that is open decides: one of its patterns stands in the question, or it has none but
    asks for something that the request has. A route with neither is no rule."""
    if not route.patterns:
        return bool(route.has)
    return any(_compiled(each).search(question) for each in route.patterns)


def facts(request: InformationRequest) -> set[str]:
    """What of ``Route.has`` a request has."""
    fields = {each.field for each in request.filters}
    told = {
        "related_to": bool(request.related_to),
        "columns": bool(filters.on_columns(request.filters)),
        "dates": bool(fields & _DATE_FIELDS) or _DATE.search(request.question) is not None,
        "url": _URL.search(request.question) is not None,
    }
    return {name for name, holds in told.items() if holds}


def parse_verdict(said: str, names: Collection[str]) -> str | None:
    """The one name that a model's answer is, None when it is anything else.

    Read as ``{"route": name}`` or as the bare name; case and quotation marks around it do not matter. A sentence that
    holds a name is no verdict.
    """
    text = said.strip()
    try:
        told = json.loads(text)
    except ValueError:
        told = text
    if isinstance(told, dict):
        told = told.get("route")
    if not isinstance(told, str):
        return None
    folded = told.strip().strip("\"'`.").casefold()
    found = [name for name in names if name.casefold() == folded]
    return found[0] if len(found) == 1 else None


# --- examples -----------------------------------------------------------------------------------------------------


def examples(routes: Sequence[Route]) -> list[tuple[str, str]]:
    """(route, example) of all routes, in their order."""
    return [(route.name, example) for route in routes for example in route.examples]


def examples_address(space_id: str, listed: Sequence[tuple[str, str]]) -> str:
    """Content address of the examples' vectors in a space: sha256, hex."""
    told = json.dumps([space_id, [text for _, text in listed]], ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()


def route_nearness(question: Sequence[float], names: Sequence[str], vectors: Vectors) -> dict[str, float]:
    """How near each route is, -1 to 1: half the mean cosine of its ``NEIGHBOURS`` nearest examples (k nearest
    neighbours), half the cosine of the centroid of all its examples (prototypes: Snell et al. 2017, "Prototypical
    Networks for Few-shot Learning"). On samples of CLINC150 both together
    route better than each alone.

    Args:
        question: its vector, shape (dimensions,).
        names: of the routes, one for each example.
        vectors: of the examples, shape (examples, dimensions).
    """
    import numpy as np

    asked, listed = _unit(np.asarray([question], dtype=np.float32))[0], _unit(vectors)
    cosines = listed @ asked
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    centroids = _unit(np.stack([listed[of].mean(axis=0) for of in places.values()])) @ asked if places else ()
    return {
        name: (float(np.sort(cosines[of])[-NEIGHBOURS:].mean()) + float(centroid)) / 2
        for (name, of), centroid in zip(places.items(), centroids, strict=True)
    }


def _unit(vectors: Vectors) -> Vectors:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


def nearest_route(nearness: Mapping[str, float], floor: float) -> str | None:
    """The nearest route, None when it is less near than the floor; of two as near, the first."""
    name = max(nearness, key=lambda each: nearness[each], default=None)
    return name if name is not None and nearness[name] >= floor else None


# --- the stages -----------------------------------------------------------------------------------------------------


def _as_requested(names: Sequence[str], usable: set[str], deployed: Collection[str]) -> Routing:
    wrong = sorted(set(names) - usable)
    if wrong:
        raise InvalidRequest(
            f"{len(wrong)} of the retrievers that the request names can't run here.",
            action=f"Take some of: {', '.join(sorted(usable))}.",
        )
    return _routing(By.REQUEST, dict.fromkeys(names, ""), usable, deployed)


def _by_rules(request: InformationRequest, routes: Sequence[Route]) -> dict[str, str]:
    """Retriever → the rules that chose it."""
    chosen: dict[str, list[str]] = {}
    for route in routes:
        if matches(route, request.question):
            for name in route.retrievers:
                chosen.setdefault(name, []).append(route.name)
    return {name: ", ".join(by) for name, by in chosen.items()}


def _by_examples(nearness: Mapping[str, float], routes: Sequence[Route], floor: float) -> dict[str, str]:
    """Only routes that are open count, however near others are."""
    names = {route.name for route in routes}
    near = {name: value for name, value in nearness.items() if name in names}
    name = nearest_route(near, floor)
    return {} if name is None else _of_route(name, routes, f"{name} ({near[name]:.2f})")


def _by_model(ask: Ask, routes: Sequence[Route]) -> tuple[dict[str, str], str]:
    """What the model chose; or nothing, and a note that it did not."""
    name = parse_verdict(ask(routes), [route.name for route in routes])
    return (_of_route(name, routes, name), "") if name is not None else ({}, "the model named no route")


def _of_route(name: str, routes: Sequence[Route], detail: str) -> dict[str, str]:
    return {retriever: detail for route in routes if route.name == name for retriever in route.retrievers}


def _routing(by: By, chosen: Mapping[str, str], usable: set[str], deployed: Collection[str]) -> Routing:
    reasons = []
    for name in sorted({*deployed, *chosen}):
        if name not in deployed:
            reason = RouteReason(retriever=name, chosen=False, by=by.value, detail="not deployed")
        elif name not in usable:
            reason = RouteReason(retriever=name, chosen=False, by="configuration", detail="switched off")
        else:
            reason = RouteReason(retriever=name, chosen=name in chosen, by=by.value, detail=chosen.get(name, ""))
        reasons.append(reason)
    return Routing(retrievers=sorted(usable.intersection(chosen)), reasons=reasons)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
