"""The router: who decides, in which order, and that nothing outside of the allow-list ever runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.configuration import AnsweringConfiguration, Route, product
from omnilake.errors import InvalidRequest, StageFailed
from omnilake.models import InformationRequest
from omnilake.retrieval.routing import (
    choose_retrievers,
    examples_address,
    facts,
    nearest_route,
    parse_verdict,
    route_nearness,
)

DEPLOYED = ("full_text", "recent", "rows", "vector", "website")
FIGURES = Route(name="figures", patterns=[r"\bhow many\b"], retrievers=["rows"])
PAGE = Route(name="page", has=["url"], retrievers=["website"])
NEWS = Route(name="news", examples=["What is new?"], retrievers=["recent"])


def configured(*routes: Route, **fields: Any) -> AnsweringConfiguration:
    told = product("extractive").model_dump() | {"routes": [route.model_dump() for route in routes], "retrievers": {}}
    return AnsweringConfiguration.model_validate(told | fields)


def asked(question: str, **fields: Any) -> InformationRequest:
    return InformationRequest.model_validate({"archives": ["docs"], "question": question, **fields})


def near(**values: float) -> Any:
    return lambda: values


def never() -> Mapping[str, float]:
    raise AssertionError("was asked although a rule had decided")


def test_the_retrievers_that_a_request_names_run_alone() -> None:
    routing = choose_retrievers(asked("How many?", retrievers=["vector"]), configured(FIGURES), DEPLOYED)
    assert routing.retrievers == ["vector"]
    assert {each.by for each in routing.reasons} == {"request"}
    assert [each.retriever for each in routing.reasons] == list(DEPLOYED)


@pytest.mark.parametrize("switched", [{}, {"website": {"enabled": False}}])
def test_a_request_for_a_retriever_that_can_not_run_is_refused(switched: dict[str, Any]) -> None:
    wanted = ["website"] if switched else ["rm -rf"]
    with pytest.raises(InvalidRequest) as refused:
        choose_retrievers(asked("?", retrievers=wanted), configured(retrievers=switched), DEPLOYED)
    assert "rm -rf" not in str(refused.value)


def test_all_rules_that_match_add_their_retrievers_and_stand_in_the_reasons() -> None:
    question = asked("How MANY are on https://status.example.com?")
    routing = choose_retrievers(question, configured(FIGURES, PAGE), DEPLOYED, nearness=never)
    assert routing.retrievers == ["rows", "website"]
    details = {each.retriever: (each.chosen, each.by, each.detail) for each in routing.reasons}
    assert details["rows"] == (True, "rule", "figures")
    assert details["website"] == (True, "rule", "page")
    assert details["vector"] == (False, "rule", "")


def test_a_rule_needs_what_it_asks_for_besides_its_pattern() -> None:
    both = Route(name="both", patterns=["how many"], has=["url"], retrievers=["website"])
    assert choose_retrievers(asked("How many?"), configured(both), DEPLOYED).retrievers == ["full_text", "vector"]


def test_the_nearest_example_decides_when_no_rule_does() -> None:
    routing = choose_retrievers(asked("Any news?"), configured(FIGURES, NEWS), DEPLOYED, nearness=near(news=0.8))
    assert routing.retrievers == ["recent"]
    assert next(each for each in routing.reasons if each.chosen).detail == "news (0.80)"
    assert next(each for each in routing.reasons if each.chosen).by == "example"


def test_an_example_that_is_not_near_enough_decides_nothing() -> None:
    routing = choose_retrievers(asked("Any news?"), configured(NEWS), DEPLOYED, nearness=near(news=0.3))
    assert routing.retrievers == ["full_text", "vector"]
    assert {each.by for each in routing.reasons} == {"default"}


def test_an_example_of_a_route_that_the_request_can_not_take_does_not_count() -> None:
    page = Route(name="page", has=["url"], examples=["Look at the page"], retrievers=["website"])
    routing = choose_retrievers(
        asked("Look at it"), configured(page, NEWS), DEPLOYED, nearness=near(page=0.9, news=0.6)
    )
    assert routing.retrievers == ["recent"]


@pytest.mark.parametrize("said", ["news", ' "News". ', '{"route": "news"}'])
def test_a_model_is_asked_last_and_its_verdict_is_a_routes_name(said: str) -> None:
    offered: list[str] = []

    def ask(routes: Sequence[Route]) -> str:
        offered.extend(route.name for route in routes)
        return said

    routing = choose_retrievers(asked("Any?"), configured(FIGURES, PAGE, NEWS), DEPLOYED, nearness=near(), ask=ask)
    assert routing.retrievers == ["recent"]
    assert offered == ["figures", "news"]  # not what needs an address
    assert {each.by for each in routing.reasons} == {"model"}


@pytest.mark.parametrize(
    "said",
    ["", "website", "I would take news.", '{"route": "shell"}', '{"route": ["news"]}', "[]", "null", "news, figures"],
)
def test_any_other_answer_of_a_model_is_no_verdict(said: str) -> None:
    routing = choose_retrievers(asked("Any?"), configured(FIGURES, NEWS), DEPLOYED, ask=lambda routes: said)
    assert routing.retrievers == ["full_text", "vector"]
    assert {each.detail for each in routing.reasons if each.chosen} == {"the model named no route"}


def test_what_is_switched_off_or_not_deployed_does_not_run_and_is_named() -> None:
    route = Route(name="all", patterns=["."], retrievers=["website", "graph", "vector"])
    routing = choose_retrievers(asked("What?"), configured(route, retrievers={"website": {"enabled": False}}), DEPLOYED)
    assert routing.retrievers == ["vector"]
    details = {each.retriever: each.detail for each in routing.reasons if not each.chosen and each.detail}
    assert details == {"graph": "not deployed", "website": "switched off"}


def test_a_route_of_which_nothing_can_run_leaves_the_question_to_the_next() -> None:
    route = Route(name="graph", patterns=["."], retrievers=["graph"])
    assert choose_retrievers(asked("What?"), configured(route), DEPLOYED).retrievers == ["full_text", "vector"]


def test_a_deployment_of_which_nothing_can_run_fails() -> None:
    with pytest.raises(StageFailed, match="No retriever"):
        choose_retrievers(asked("What?"), configured(), ["recent"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"question": "Who?"}, set()),
        ({"question": "Who?", "related_to": "answer-1"}, {"related_to"}),
        ({"question": "Who?", "filters": [{"field": "column.price", "value": 3}]}, {"columns"}),
        ({"question": "Who?", "filters": [{"field": "received_at", "value": "2026-01-01"}]}, {"dates"}),
        ({"question": "Who came in March 2026?"}, {"dates"}),
        ({"question": "Who came on 2026-03-21?"}, {"dates"}),
        ({"question": "Is HTTPS://a.example/b up?"}, {"url"}),
        ({"question": "Is http:// up in 1000 places?"}, set()),
    ],
)
def test_what_a_request_has(fields: dict[str, Any], expected: set[str]) -> None:
    assert facts(InformationRequest.model_validate({"archives": ["docs"], **fields})) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many boats lie in Selmere?", {"rows", "vector", "full_text"}),
        ("What is the average price per region?", {"rows", "vector", "full_text"}),
        ("What is new in the handbook?", {"recent", "vector", "full_text"}),
        ("What does handbook.pdf say of leases?", {"exact", "vector", "full_text"}),
        ("Who keeps the key of the lock?", {"vector", "full_text"}),
        ("Is https://status.example.com red?", {"vector", "full_text"}),  # the product's own allows no host
    ],
)
def test_the_products_own_routes(question: str, expected: set[str]) -> None:
    deployed = ["exact", "full_text", "recent", "rows", "vector", "website"]
    assert set(choose_retrievers(asked(question), product("extractive"), deployed).retrievers) == expected


def test_a_route_is_as_near_as_its_nearest_examples_and_its_centroid() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 2, 0]] * 7
    names = ["a", "a", "b", "c", "c", "c", "c"]
    near = route_nearness([2.0, 0.0, 0.0], names, vectors)
    assert near == pytest.approx({"a": 1.0, "b": 0.0, "c": (1 / 3 + 1 / 10**0.5) / 2})
    assert route_nearness([1.0, 0.0, 0.0], [], np.empty((0, 3), dtype=np.float32)) == {}


def test_of_no_examples_none_is_nearest() -> None:
    assert nearest_route({}, 0.0) is None
    assert nearest_route({"a": 0.5}, 0.5) == "a"
    assert nearest_route({"a": 0.49}, 0.5) is None


def test_vectors_of_examples_are_made_anew_for_another_space_or_another_text_only() -> None:
    one = examples_address("space", [("a", "What is new?")])
    assert one == examples_address("space", [("b", "What is new?")])
    assert one != examples_address("other", [("a", "What is new?")])
    assert one != examples_address("space", [("a", "What was new?")])


@given(said=st.text() | st.sampled_from(['{"route":', '{"route": 1}', "\x00", "figures\nnews"]))
def test_a_verdict_is_one_of_the_names_or_nothing(said: str) -> None:
    assert parse_verdict(said, ["news", "figures"]) in {None, "news", "figures"}


@given(
    retrievers=st.lists(st.sampled_from([*DEPLOYED, "shell"]), min_size=1, max_size=4),
    nearness=st.dictionaries(st.sampled_from(["one", "shell", "two"]), st.floats(0, 1)),
    said=st.text(max_size=20) | st.sampled_from(["one", "shell", '{"route": "shell"}']),
    question=st.text(min_size=1, max_size=60),
)
def test_only_deployed_retrievers_run_whatever_is_said(
    retrievers: list[str], nearness: dict[str, float], said: str, question: str
) -> None:
    routes = [
        Route(name="one", examples=["x"], retrievers=retrievers),
        Route(name="two", patterns=["e"], retrievers=["rows"]),
    ]
    routing = choose_retrievers(
        asked(question), configured(*routes), DEPLOYED, nearness=lambda: nearness, ask=lambda routes: said
    )
    assert routing.retrievers
    assert set(routing.retrievers) <= set(DEPLOYED)
    assert [each.retriever for each in routing.reasons if each.chosen] == routing.retrievers
