"""Rerank models on their wires (the real clients against a local server of the documented shapes), and the order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_endpoint import Answered, Endpoint, Script, always, bedrock_error, serving

from omnilake import aws
from omnilake.configuration import ModelConfig
from omnilake.errors import InvalidRequest, OmniLakeError, ProviderRejected, RateLimited, StageFailed, TransientError
from omnilake.models import Chunk, Evidence, Scores
from omnilake.retrieval import reranking
from omnilake.retrieval.reranking import (
    MAX_RERANKED,
    BedrockRerank,
    CohereRerank,
    read_scores,
    reordered,
    reranker_for,
    texts_of,
)

QUESTION = "When does the sea lock close?"
TEXTS = ["Bread is baked at night.", "The sea lock closes at nine."]


def scored(*scores: float) -> Answered:
    """As Cohere's API and its models on Bedrock answer: best first, each with the index of its text."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    results = [{"index": place, "relevance_score": scores[place]} for place in order]
    return Answered({"id": "any", "results": results, "meta": {"billed_units": {"search_units": 1}}})


def any_ranking(count: int) -> list[Evidence]:
    return [
        Evidence(
            chunk=Chunk(
                chunk_id=f"c{number}", entry_id="e", version="v1", ordinal=number, start=9 * number, end=9 * number + 7,
                tokens=2, text=f"text {number}", context="Title > Section",
            ),
            scores=Scores(fused=1 - number / count),
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The key at hand, and the one after it was asked for again."""
    held = {"now": "key-1", "renewed": "key-1"}
    monkeypatch.setattr(reranking, "provider_key", lambda _, renew=False: held["renewed"] if renew else held["now"])
    return held


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Any]:
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    @contextmanager
    def serve(script: Script) -> Iterator[Endpoint]:
        with serving(script) as endpoint:
            monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", endpoint.url)
            aws.impatient_client.cache_clear()
            yield endpoint
            aws.impatient_client.cache_clear()

    return serve


def test_cohere_is_told_question_and_texts_and_gives_a_score_to_each(keys: dict[str, str]) -> None:
    with serving(always(scored(0.1, 0.9))) as endpoint:
        assert CohereRerank("rerank-v3.5", endpoint.url).scores(QUESTION, TEXTS) == [0.1, 0.9]
    assert endpoint.paths == ["/v2/rerank"]
    assert endpoint.requests == [{"model": "rerank-v3.5", "query": QUESTION, "documents": TEXTS, "top_n": 2}]
    assert endpoint.headers[0]["authorization"] == f"Bearer {keys['now']}"


def test_a_key_that_was_rotated_is_asked_for_again(keys: dict[str, str]) -> None:
    keys["renewed"] = "key-2"
    with serving(always(Answered({"message": "invalid api token"}, 401), scored(0.5, 0.4))) as endpoint:
        assert CohereRerank("m", endpoint.url).scores(QUESTION, TEXTS) == [0.5, 0.4]
    assert [each["authorization"] for each in endpoint.headers] == ["Bearer key-1", "Bearer key-2"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answered({"message": "slow down"}, 429, {"Retry-After": "7"}), RateLimited),
        (Answered({"message": "oops"}, 500), TransientError),
        (Answered({"message": "no such model"}, 404), ProviderRejected),
        (Answered(b"no json"), TransientError),
        (Answered({"results": []}), TransientError),
    ],
)
def test_what_cohere_refuses_is_a_typed_error_without_content(
    keys: dict[str, str], answer: Answered, error: type[OmniLakeError]
) -> None:
    with serving(always(answer)) as endpoint, pytest.raises(error) as raised:
        CohereRerank("m", endpoint.url).scores(QUESTION, TEXTS)
    assert QUESTION not in str(raised.value)
    assert keys["now"] not in str(raised.value)


def test_a_key_is_sent_to_no_address_that_is_not_safe() -> None:
    with pytest.raises(StageFailed):
        CohereRerank("m", "http://rerank.example.org")


@pytest.mark.parametrize(("model", "extra"), [("cohere.rerank-v3-5:0", {"api_version": 2}), ("amazon.rerank-v1:0", {})])
def test_bedrock_is_told_the_same_in_the_models_own_body(
    bedrock: Callable[[Script], Any], model: str, extra: dict[str, int]
) -> None:
    with bedrock(always(scored(0.2, 0.7))) as endpoint:
        assert BedrockRerank(model).scores(QUESTION, TEXTS) == [0.2, 0.7]
    assert endpoint.paths[0].startswith("/model/")
    assert endpoint.paths[0].endswith("/invoke")
    assert endpoint.requests == [{"query": QUESTION, "documents": TEXTS, "top_n": 2} | extra]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (bedrock_error("ThrottlingException", 429), RateLimited),
        (bedrock_error("ServiceUnavailableException", 503), TransientError),
        (bedrock_error("AccessDeniedException", 403), ProviderRejected),
        (Answered(b"no json"), TransientError),
    ],
)
def test_what_bedrock_refuses_is_a_typed_error(
    bedrock: Callable[[Script], Any], answer: Answered, error: type[OmniLakeError]
) -> None:
    with bedrock(always(answer)) as endpoint, pytest.raises(error):
        BedrockRerank("amazon.rerank-v1:0").scores(QUESTION, TEXTS)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"results": {}},
        {"results": [{"index": 0}]},
        {"results": [{"index": 0, "relevance_score": 0.1}]},
        {"results": [{"index": 0, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.2}]},
        {"results": [{"index": 0, "relevance_score": 0.1}, {"index": 2, "relevance_score": 0.2}]},
        {"results": [{"index": -1, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.2}]},
        {"results": [{"index": True, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.2}]},
        {"results": [{"index": 0, "relevance_score": "0.1"}, {"index": 1, "relevance_score": 0.2}]},
        {"results": [{"index": 0, "relevance_score": float("nan")}, {"index": 1, "relevance_score": 0.2}]},
    ],
)
def test_scores_of_other_texts_than_were_sent_are_not_taken(answer: Any) -> None:
    with pytest.raises(TransientError):
        read_scores(answer, 2, "any")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["results", "index", "relevance_score", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values, st.integers(0, 4))
def test_whatever_comes_back_is_one_score_a_text_or_an_error(answer: Any, count: int) -> None:
    try:
        found = read_scores(answer, count, "any")
    except TransientError:
        return
    assert len(found) == count


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 10))
def test_the_scored_come_in_the_order_of_their_scores_and_nothing_is_lost(scores: list[float], behind: int) -> None:
    ranking = any_ranking(len(scores) + behind)
    found = reordered(ranking, scores)
    assert sorted(each.chunk.chunk_id for each in found) == sorted(each.chunk.chunk_id for each in ranking)
    assert [each.scores.reranked for each in found[: len(scores)]] == sorted(scores, reverse=True)
    assert found[len(scores) :] == ranking[len(scores) :]


def test_equals_stay_as_they_were() -> None:
    assert [each.chunk.chunk_id for each in reordered(any_ranking(3), [0.5, 0.9, 0.5])] == ["c1", "c0", "c2"]


def test_a_model_reads_the_best_with_their_headings() -> None:
    texts = texts_of(any_ranking(MAX_RERANKED + 5))
    assert len(texts) == MAX_RERANKED
    assert "Title > Section" in texts[0]
    assert texts[0].endswith("text 0")


def test_only_rerank_models_rerank() -> None:
    assert isinstance(reranker_for(ModelConfig(provider="cohere", model="m")), CohereRerank)
    assert isinstance(reranker_for(ModelConfig(provider="bedrock", model="m")), BedrockRerank)
    with pytest.raises(InvalidRequest):
        reranker_for(ModelConfig(provider="extractive"))
