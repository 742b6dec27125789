"""Insights by an OpenAI-compatible API: the real client against a local server of the documented shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from model_endpoint import Answered, always, completion, serving
from unit.insights.any_document import ANSWER, SCHEMA, TEXT, document, read
from unit.insights.gullible import obeyed, without_boundary
from unit.insights.injections import ATTACKS
from unit.insights.test_schema import HOSTILE

from omnilake import aws, credentials
from omnilake.configuration import ModelConfig
from omnilake.errors import InsightsRejected, OmniLakeError, ProviderRejected, RateLimited, StageFailed, TransientError
from omnilake.generation import Usage
from omnilake.generation.asking import AskedModel
from omnilake.generation.wires.openai import ChatCompletions
from omnilake.insights.generative import GenerativeProvider
from omnilake.insights.provider import Wanted, provider_for
from omnilake.insights.schema import Extraction, answer_schema
from omnilake.models import ExtractedDocument
from omnilake.settings import settings

WANTED = Wanted(["incident", "billing"], SCHEMA)
MODEL = "gpt-4.1-mini"


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OMNILAKE_EMBEDDING_SECRET", "OMNILAKE_EMBEDDING_PARAMETER"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    yield
    settings.cache_clear()


def extract(url: str, of: ExtractedDocument | None = None) -> tuple[Extraction, Usage]:
    of = of or document()
    configured = ModelConfig(provider="openai", input_usd=0.4, output_usd=1.6)
    provider = GenerativeProvider(AskedModel(ChatCompletions(f"{url}/v1", MODEL), configured))
    return provider.extract(of, read(of), WANTED)


def failed(status: int, code: str = "", **headers: str) -> Answered:
    """An error as the API sends it; its message quotes what it was sent."""
    error = {"message": "The value SECRET-TEXT is not valid.", "type": "", "param": None, "code": code or None}
    return Answered({"error": error}, status, {name.replace("_", "-"): value for name, value in headers.items()})


def test_the_answer_s_schema_is_the_format_that_is_asked_for() -> None:
    with serving(always(completion(ANSWER))) as endpoint:
        extraction, usage = extract(endpoint.url)
    (request,) = endpoint.requests
    assert endpoint.paths == ["/v1/chat/completions"]
    assert "authorization" not in endpoint.headers[0]
    assert (request["model"], request["temperature"], request["max_tokens"]) == (MODEL, 0, 4_096)
    assert request["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "record_insights", "schema": answer_schema(SCHEMA), "strict": False},
    }
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert '["incident", "billing"]' in request["messages"][0]["content"]
    assert TEXT in request["messages"][1]["content"]
    assert extraction.model_dump() == {**ANSWER, "tags": ["incident", "gauge"]}
    assert usage == Usage(calls=1, input_tokens=100, output_tokens=20, cost_usd=(100 * 0.4 + 20 * 1.6) / 1e6)


def test_an_endpoint_that_does_not_count_tokens_is_counted_for() -> None:
    answer = completion(ANSWER)
    del answer.body["usage"]
    with serving(always(answer)) as endpoint:
        _, usage = extract(endpoint.url)
    assert usage.input_tokens > 100
    assert usage.output_tokens > 20


WRONG = {**ANSWER, "fields": {**ANSWER["fields"], "severity": 9}}


def test_an_answer_that_does_not_fit_is_handed_back_once_with_what_is_wrong() -> None:
    with serving(always(completion(WRONG), completion(ANSWER))) as endpoint:
        extraction, usage = extract(endpoint.url)
    first, second = endpoint.requests
    assert second["response_format"] == first["response_format"]
    *told, assistant, correction = second["messages"]
    assert told == first["messages"]
    assert assistant == {"role": "assistant", "content": json.dumps(WRONG)}
    assert correction["role"] == "user"
    assert "severity" in correction["content"]
    assert extraction.fields["severity"] == 2
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (2, 200, 40)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_model_that_answers_what_a_document_told_it_to_is_not_believed(case: str) -> None:
    with serving(always(completion(HOSTILE[case]))) as endpoint, pytest.raises(InsightsRejected) as caught:
        extract(endpoint.url)
    assert len(endpoint.requests) == 2
    assert not any(
        word in str(caught.value) for word in ("route", "delete", "script", "admin", "Paris", "Tuesday", "xxx")
    )


@pytest.mark.parametrize(
    "answer",
    [
        completion(""),
        completion(None),
        completion("ROUTED"),
        completion(f"```json\n{json.dumps(ANSWER)}\n```"),
        completion(json.dumps(ANSWER)[:-1]),
        completion(json.dumps(ANSWER) * 2),
        completion(ANSWER, finish_reason="length"),
    ],
)
def test_only_one_whole_json_value_is_an_answer(answer: Answered) -> None:
    with serving(always(answer)) as endpoint, pytest.raises(InsightsRejected):
        extract(endpoint.url)
    assert len(endpoint.requests) == 2
    with serving(always(answer, completion(ANSWER))) as endpoint:
        assert extract(endpoint.url)[1].calls == 2


@pytest.mark.parametrize(
    "withheld", [completion(None, refusal="I can't."), completion(ANSWER, finish_reason="content_filter")]
)
def test_a_refusal_is_not_asked_again(withheld: Answered) -> None:
    with serving(always(withheld)) as endpoint, pytest.raises(InsightsRejected, match=r"refuses|withheld"):
        extract(endpoint.url)
    assert len(endpoint.requests) == 1


MALFORMED: list[Any] = [
    "SECRET-TEXT",
    [],
    {},
    {"choices": []},
    *({"choices": [choice]} for choice in (None, {}, {"message": None}, {"message": "x"})),
]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failed(429, "insufficient_quota"), ProviderRejected),
        (failed(500), TransientError),
        (failed(502), TransientError),
        (failed(503), TransientError),
        (failed(408), TransientError),
        (failed(400, "context_length_exceeded"), InsightsRejected),
        (failed(413), InsightsRejected),
        (failed(401, "invalid_api_key"), ProviderRejected),
        (failed(403), ProviderRejected),
        (failed(404, "model_not_found"), ProviderRejected),
        (failed(302, location="https://example.org"), ProviderRejected),
        (Answered(b"<html>Bad gateway</html>"), TransientError),
        (Answered(b'{"choices": [{"mess'), TransientError),
        *((Answered(body), TransientError) for body in MALFORMED),
    ],
)
def test_a_failed_call_is_told_by_its_kind_without_what_was_sent(answer: Answered, error: type[OmniLakeError]) -> None:
    with serving(always(answer)) as endpoint, pytest.raises(error) as caught:
        extract(endpoint.url)
    assert type(caught.value) is error
    assert "SECRET" not in str(caught.value)
    assert len(endpoint.requests) == 1  # the state machine repeats, not the function


@pytest.mark.parametrize("status", [429, 503])
def test_a_rate_limit_says_how_long_to_wait(status: int) -> None:
    answer = failed(status, "rate_limit_exceeded", Retry_After="7")
    with serving(always(answer)) as endpoint, pytest.raises(RateLimited) as caught:
        extract(endpoint.url)
    assert caught.value.details["seconds"] == 7
    assert len(endpoint.requests) == 1


def test_no_connection_is_transient() -> None:
    with serving(always(completion(ANSWER))) as endpoint:
        url = endpoint.url
    with pytest.raises(TransientError, match="could not be reached"):
        extract(url)


class TestKey:
    @pytest.fixture(autouse=True)
    def _secret(self, stack: None, monkeypatch: pytest.MonkeyPatch) -> None:
        aws.client("secretsmanager").create_secret(Name="keys", SecretString=json.dumps({"openai": "sk-old"}))
        monkeypatch.setenv("OMNILAKE_EMBEDDING_SECRET", "keys")
        settings.cache_clear()
        credentials.provider_key("openai", renew=True)  # another test's is not kept

    def test_is_sent_to_the_endpoint(self) -> None:
        with serving(always(completion(ANSWER))) as endpoint:
            extract(endpoint.url)
        assert endpoint.headers[0]["authorization"] == "Bearer sk-old"

    def test_that_was_rotated_is_read_again(self) -> None:
        aws.client("secretsmanager").put_secret_value(SecretId="keys", SecretString=json.dumps({"openai": "sk-new"}))
        with serving(always(failed(401, "invalid_api_key"), completion(ANSWER))) as endpoint:
            extract(endpoint.url)
        assert [each["authorization"] for each in endpoint.headers] == ["Bearer sk-old", "Bearer sk-new"]

    def test_that_is_refused_and_was_not_rotated_is_not_sent_again_nor_told(self) -> None:
        refused = pytest.raises(ProviderRejected, match="401, invalid_api_key")
        with serving(always(failed(401, "invalid_api_key"))) as endpoint, refused as caught:
            extract(endpoint.url)
        assert len(endpoint.requests) == 1
        assert "sk-old" not in str(caught.value)

    def test_that_is_missing_is_the_provider_s_failure(self) -> None:
        aws.client("secretsmanager").put_secret_value(SecretId="keys", SecretString=json.dumps({"cohere": "k"}))
        refused = pytest.raises(ProviderRejected, match="no key of openai")
        with serving(always(failed(401), completion(ANSWER))) as endpoint, refused:
            extract(endpoint.url)
        assert len(endpoint.requests) == 1


def gullible(request: dict[str, Any], _: int) -> Answered:
    """A model that does whatever it is told outside of the document's place, and describes what is inside."""
    system, user = (message["content"] for message in request["messages"])
    orders = obeyed(system, user)
    return completion({**ANSWER, "tags": orders} if orders else ANSWER)


def shape(request: dict[str, Any]) -> dict[str, Any]:
    """What of a request must not depend on the document."""
    system = without_boundary(request["messages"][0]["content"])
    return {**request, "messages": [system, *(message["role"] for message in request["messages"])]}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("where", ["text", "title", "metadata"])
def test_orders_in_a_document_change_neither_schema_nor_route_nor_answer(attack: str, where: str) -> None:
    order = ATTACKS[attack]
    attacked = {
        "text": document(f"{TEXT}\n\n{order}"),
        "title": document(title=order),
        "metadata": document(metadata={"author": order, "keywords": order}),
    }[where]
    with serving(gullible) as endpoint:
        plain, _ = extract(endpoint.url)
        ordered, _ = extract(endpoint.url, attacked)
    first, second = endpoint.requests
    assert shape(first) == shape(second)
    assert endpoint.paths[0] == endpoint.paths[1]
    assert ordered == plain


class TestSettings:
    def test_name_endpoint_model_and_prices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(always(completion(ANSWER))) as endpoint:
            monkeypatch.setenv("OMNILAKE_INSIGHTS_ENDPOINT", f"{endpoint.url}/openai/v1/")
            monkeypatch.setenv("OMNILAKE_INSIGHTS_MODEL", MODEL)
            monkeypatch.setenv("OMNILAKE_INSIGHTS_PRICES", "1,2")
            settings.cache_clear()
            made = provider_for("openai")
            _, usage = made.extract(document(), read(document()), WANTED)
        assert (made.name, made.model, made.remote) == ("openai", MODEL, True)
        assert endpoint.paths == ["/openai/v1/chat/completions"]
        assert usage.cost_usd == (100 * 1 + 20 * 2) / 1e6

    def test_without_a_model_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OMNILAKE_INSIGHTS_MODEL", raising=False)
        with pytest.raises(StageFailed, match="OMNILAKE_INSIGHTS_MODEL"):
            provider_for("openai")

    @pytest.mark.parametrize(
        "address", ["http://models.example.org/v1", "ftp://127.0.0.1", "models", "https://", "http://[x"]
    )
    def test_never_send_a_key_in_the_clear(self, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
        monkeypatch.setenv("OMNILAKE_INSIGHTS_ENDPOINT", address)
        monkeypatch.setenv("OMNILAKE_INSIGHTS_MODEL", MODEL)
        settings.cache_clear()
        with pytest.raises(StageFailed, match="https"):
            provider_for("openai")
