"""Each provider over real sockets, against a server that speaks its documented shapes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import any_provider
import numpy as np
import pytest
from any_provider import Answer, Call, Provider, packed, vector

from omnilake import aws, credentials, provider_http
from omnilake.embedding import options, provider_for, space_for
from omnilake.embedding.metered import embed_each
from omnilake.embedding.models import KNOWN
from omnilake.embedding.remote import RemoteProvider
from omnilake.errors import EmbeddingRejected, ProviderRejected, RateLimited, TransientError
from omnilake.settings import settings

KEY = "sk-any-secret-key"

impatient_client = aws.impatient_client  # as it is before a test puts something in its place

MODELS = {
    "openai": "text-embedding-3-small",
    "cohere": "embed-v4.0",
    "voyage": "voyage-4",
    "huggingface": "intfloat/multilingual-e5-large",
    "titan": "amazon.titan-embed-text-v2:0",
    "bedrock-cohere": "cohere.embed-multilingual-v3",
    "bedrock-cohere-v4": "cohere.embed-v4:0",
}
SIZES = {"openai": 512, "cohere": 256, "voyage": 256, "titan": 256, "bedrock-cohere-v4": 256}
FORMATS = list(MODELS)


@dataclass
class Served:
    """A provider of ours with the server it talks to."""

    format: str
    server: Provider
    provider: RemoteProvider

    @property
    def dimensions(self) -> int:
        return self.provider.space.dimensions

    def sent(self, text: str) -> str:
        """A passage as it arrives at the server."""
        return f"passage: {text}" if self.format == "huggingface" else text

    def expected(self, texts: list[str]) -> np.ndarray:
        return np.array([vector(self.sent(text), self.dimensions) for text in texts], dtype=np.float32)


@pytest.fixture
def configure(stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Point a provider at a server, with a key in Secrets Manager."""
    aws.client("secretsmanager").create_secret(
        Name="provider-keys", SecretString=json.dumps(dict.fromkeys(("openai", "cohere", "voyage", "huggingface"), KEY))
    )

    def point(name: str, *urls: str, **further: Any) -> None:
        monkeypatch.setenv("OMNILAKE_EMBEDDING_SECRET", "provider-keys")
        told = {"endpoints": {name: list(urls)}, "limits": {name: {}}, **further}
        monkeypatch.setenv("OMNILAKE_EMBEDDING_OPTIONS", json.dumps(told))
        settings.cache_clear()

    monkeypatch.setattr(credentials, "MAX_AGE_S", 0)
    yield point
    provider_for.cache_clear()
    impatient_client.cache_clear()


def serve(format: str, server: Provider, configure: Any, monkeypatch: pytest.MonkeyPatch, **further: Any) -> Served:
    name = format if format in any_provider.RESPONSES else "bedrock"
    if name == "bedrock":
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
        configure(name, "us-east-1", **further)
    else:
        configure(name, server.url, **further)
    space = space_for(name, MODELS[format], SIZES.get(format))
    return Served(format, server, RemoteProvider(space))


@pytest.fixture(params=FORMATS)
def served(request: pytest.FixtureRequest, configure: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    name = request.param if request.param in any_provider.RESPONSES else "bedrock"
    with any_provider.serving(any_provider.RESPONSES[name]) as server:
        yield serve(request.param, server, configure, monkeypatch)


def failing(served: Served, answer: Answer) -> None:
    """Every call is answered so, from now on."""
    served.server.usual = lambda _: answer


TEXTS = ["A state machine.", "Wie heißt die Tabelle? 表は何ですか 🙂", "7", "The bucket is versioned. " * 10]


def test_vectors_come_back_in_the_order_of_the_texts(served: Served) -> None:
    vectors = served.provider.embed_passages(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(served.expected(TEXTS), abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_nothing_may_be_cut_and_passages_differ_from_questions(served: Served) -> None:
    served.provider.embed_passages(["passage"])
    served.provider.embed_query("question")
    document, query = served.server.calls
    shapes: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "openai": ({"encoding_format": "base64", "dimensions": 512}, {"encoding_format": "base64", "dimensions": 512}),
        "cohere": (
            {"input_type": "search_document", "truncate": "NONE"},
            {"input_type": "search_query", "truncate": "NONE"},
        ),
        "voyage": ({"input_type": "document", "truncation": False}, {"input_type": "query", "truncation": False}),
        "huggingface": ({"inputs": ["passage: passage"], "truncate": False}, {"inputs": ["query: question"]}),
        "titan": ({"inputText": "passage", "dimensions": 256, "normalize": True}, {"inputText": "question"}),
        "bedrock-cohere": ({"input_type": "search_document", "truncate": "NONE"}, {"input_type": "search_query"}),
        "bedrock-cohere-v4": ({"output_dimension": 256, "truncate": "NONE"}, {"input_type": "search_query"}),
    }
    for call, expected in zip((document, query), shapes[served.format], strict=True):
        assert expected.items() <= call.body.items()
    paths = {
        "openai": "/embeddings",
        "cohere": "/v2/embed",
        "voyage": "/embeddings",
        "huggingface": "/intfloat/multilingual-e5-large/pipeline/feature-extraction",
        "titan": "/model/amazon.titan-embed-text-v2%3A0/invoke",
        "bedrock-cohere": "/model/cohere.embed-multilingual-v3/invoke",
        "bedrock-cohere-v4": "/model/cohere.embed-v4%3A0/invoke",
    }
    assert document.path == paths[served.format]
    if "edrock" in served.format or served.format == "titan":
        assert document.headers["authorization"].startswith("AWS4-HMAC-SHA256")
    else:
        assert document.headers["authorization"] == f"Bearer {KEY}"


def test_requests_hold_no_more_texts_than_the_provider_takes(served: Served) -> None:
    most = served.provider._model.most_texts
    texts = [f"text {number}" for number in range(min(2 * most + 3, 200))]
    assert served.provider.embed_passages(texts) == pytest.approx(served.expected(texts), abs=1e-6)
    sizes = [len(each) for each in served.server.texts()]
    assert max(sizes) <= most
    assert sorted(text for each in served.server.texts() for text in each) == sorted(map(served.sent, texts))
    assert len(sizes) == -(-len(texts) // most)


def test_usage_is_what_the_provider_counted(served: Served) -> None:
    portions = list(embed_each(served.provider, ["one two three", "four five"]))
    if served.format == "huggingface":  # does not say: counted here
        assert sum(portion.tokens for portion in portions) == sum(
            len(served.provider.encode(text)) for text in ("one two three", "four five")
        )
    else:
        assert sum(portion.tokens for portion in portions) == 5
    assert sum(portion.calls for portion in portions) == len(served.server.calls)


def test_lengths_before_normalisation_are_told(served: Served) -> None:
    (length,) = {
        round(float(length), 3) for portion in embed_each(served.provider, TEXTS) for length in portion.lengths
    }
    assert length == {"cohere": 3.0, "huggingface": 2.0}.get(served.format, 1.0)


def test_a_question_of_any_length_has_one_vector(served: Served) -> None:
    question = "How long is the queue? " * 3_000
    found = served.provider.embed_query(question)
    assert found.shape == (served.dimensions,)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    assert all(len(text) <= len(question) for texts in served.server.texts() for text in texts)
    with pytest.raises(EmbeddingRejected, match="no token"):
        served.provider.embed_query(" \n ")


def test_too_long_and_empty_passages_are_refused_before_any_call(served: Served) -> None:
    long = "word " * (served.provider._model.limit + 10)
    with pytest.raises(EmbeddingRejected, match="tokens"):
        served.provider.embed_passages([long])
    with pytest.raises(EmbeddingRejected, match="no token"):
        served.provider.embed_passages(["  \n"])
    assert served.server.calls == []


def test_texts_beside_a_refused_one_are_embedded(served: Served) -> None:
    long = "word " * (served.provider._model.limit + 10)
    portions = list(embed_each(served.provider, ["a", long, "b"]))
    assert {position for portion in portions for position in portion.rejected} == {1}
    assert sorted(position for portion in portions for position in portion.positions) == [0, 2]


@pytest.mark.parametrize(("header", "least", "most"), [("7", 7, 7), ("0.2", 1, 1), ("date", 28, 31), ("", 20, 20)])
def test_a_429_says_how_long_to_wait(served: Served, header: str, least: int, most: int) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    headers = {"Retry-After": moment if header == "date" else header} if header else {}
    body = {"__type": "ThrottlingException", "message": "secret text"}
    failing(served, Answer(429, body, {"x-amzn-errortype": "ThrottlingException", **headers}))
    with pytest.raises(RateLimited) as raised:
        served.provider.embed_passages(["text"])
    assert least <= raised.value.details["seconds"] <= most
    assert f"Wait {raised.value.details['seconds']} s." in str(raised.value)
    assert "secret text" not in str(raised.value)


def test_nobody_asks_again_before_the_provider_said(served: Served) -> None:
    failing(served, Answer(429, {}, {"Retry-After": "100"}))
    with pytest.raises(RateLimited):
        served.provider.embed_passages(["text"])
    calls = len(served.server.calls)
    with pytest.raises(RateLimited) as passages:
        served.provider.embed_passages(["other"])
    with pytest.raises(RateLimited) as question:
        served.provider.embed_query("question")
    assert 90 <= passages.value.details["seconds"] <= 101
    assert 90 <= question.value.details["seconds"] <= 101
    assert len(served.server.calls) == calls


def test_a_503_with_a_time_is_a_wait_and_without_one_a_passing_fault(served: Served) -> None:
    failing(served, Answer(503, {}, {"Retry-After": "5"}))
    with pytest.raises(RateLimited):
        served.provider.embed_query("text")
    failing(served, Answer(503, {}))
    with pytest.raises((TransientError, RateLimited)):
        served.provider.embed_query("text")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ProviderRejected),
        (403, ProviderRejected),
        (404, ProviderRejected),
        (500, TransientError),
        (502, TransientError),
    ],
)
def test_refusals_and_faults_are_told_apart(served: Served, status: int, error: type[Exception]) -> None:
    body = {"error": {"message": "secret text", "code": "invalid_thing"}, "message": "secret text"}
    failing(served, Answer(status, body))
    with pytest.raises(error) as raised:
        served.provider.embed_passages(["a text of the document"])
    assert "secret text" not in str(raised.value)
    assert "a text of the document" not in str(raised.value)
    assert KEY not in str(raised.value)


def test_after_a_fault_the_next_try_succeeds(served: Served) -> None:
    served.server.script.append(Answer(500, {}))
    with pytest.raises(TransientError):
        served.provider.embed_passages(["text"])
    assert served.provider.embed_passages(["text"]) == pytest.approx(served.expected(["text"]), abs=1e-6)


def test_what_was_embedded_before_a_limit_is_told_before_the_limit(served: Served) -> None:
    most_texts, at_once = served.provider._model.most_texts, served.provider._wire.at_once
    wave = most_texts * at_once
    texts = [f"text {number}" for number in range(wave + 1)]
    served.server.script.extend([served.server.usual] * at_once)
    served.server.usual = lambda _: Answer(429, {}, {"Retry-After": "3"})
    portions = embed_each(served.provider, texts)
    told = sum(len(next(portions).positions) for _ in range(at_once))
    assert told == wave
    with pytest.raises(RateLimited):
        next(portions)


def test_a_text_that_the_provider_refuses_is_named_and_the_others_embedded(served: Served) -> None:
    usual = served.server.usual

    def picky(call: Call) -> Answer:
        if any("poison" in text for text in any_provider.texts_of(call)):
            return Answer(400, {"message": "too long"}, {"x-amzn-errortype": "ValidationException"})
        return usual(call)

    served.server.usual = picky
    texts = [f"text {number}" for number in range(9)]
    texts[6] = "some poison in it"
    portions = list(embed_each(served.provider, texts))
    (rejected,) = [item for portion in portions for item in portion.rejected.items()]
    assert rejected[0] == 6
    assert rejected[1].code == "PROVIDER_REJECTED"
    assert sorted(position for portion in portions for position in portion.positions) == [0, 1, 2, 3, 4, 5, 7, 8]


def test_a_call_that_is_wrong_for_every_text_is_one_error(served: Served) -> None:
    failing(served, Answer(400, {"message": "no such model"}, {"x-amzn-errortype": "ValidationException"}))
    with pytest.raises(ProviderRejected, match="400"):
        served.provider.embed_passages([f"text {number}" for number in range(40)])
    assert len(served.server.calls) <= 40  # one text a call at most, and no search for a culprit


def test_answers_of_another_shape_are_faults_that_a_retry_may_mend(served: Served) -> None:
    wrong: list[Any] = [b"{", b"", [], {}, {"data": []}, {"data": [1]}, {"embeddings": {"float": [[1], [2]]}}, "text"]
    wrong += [{"data": [{"index": 0, "embedding": "***"}]}, {"data": [{"index": 5, "embedding": packed([1.0])}]}]
    wrong += [{"embedding": {"a": 1}}, [[["nested"]]], [[[1.0]]], {"embeddings": {"int8": [[1]]}}]
    for body in wrong:
        failing(served, Answer(200, body))
        with pytest.raises(TransientError, match="documented shape"):
            served.provider.embed_passages(["text"])


def shaped(served: Served, values: Any) -> Answer:
    """A documented answer that holds one vector."""
    packed_values = packed(values) if all(isinstance(value, float) for value in values) else values
    return {
        "openai": Answer(body={"data": [{"index": 0, "embedding": packed_values}], "usage": {"prompt_tokens": 1}}),
        "voyage": Answer(body={"data": [{"index": 0, "embedding": packed_values}], "usage": {"total_tokens": 1}}),
        "cohere": Answer(body={"embeddings": {"float": [values]}}),
        "huggingface": Answer(body=[values]),
        "titan": Answer(body={"embedding": values, "inputTextTokenCount": 1}),
        "bedrock-cohere": Answer(body={"embeddings": [values]}),
        "bedrock-cohere-v4": Answer(body={"embeddings": {"float": [values]}}),
    }[served.format]


def test_unusable_vectors_are_rejected_and_never_replaced(served: Served) -> None:
    good = vector("any", served.dimensions)
    for values, reason in (
        (good[:-1], "dimensions"),
        ([*good, 0.5], "dimensions"),
        ([float("nan"), *good[1:]], "NaN"),
        ([float("inf"), *good[1:]], "NaN or infinity"),
        ([0.0] * served.dimensions, "length zero"),
        ([None, *good[1:]], "NaN"),
    ):
        failing(served, shaped(served, values))
        (portion,) = embed_each(served.provider, ["text"])
        assert portion.positions == []
        assert (portion.rejected[0].code, reason in portion.rejected[0].message) == ("EMBEDDING_REJECTED", True)
        with pytest.raises(EmbeddingRejected, match=reason):
            served.provider.embed_passages(["text"])


def test_a_silent_server_is_a_passing_fault(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(served, Answer(hangs_s=20))
    if served.provider.space.provider == "bedrock":
        import boto3
        from botocore.config import Config

        impatient = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            config=Config(read_timeout=0.3, retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        monkeypatch.setattr(aws, "impatient_client", lambda service, region: impatient)
    else:
        monkeypatch.setattr(provider_http.post_json, "__kwdefaults__", {"timeout_s": 0.3})
    with pytest.raises(TransientError, match=r"did not answer in time|could not be reached"):
        served.provider.embed_query("text")


def test_a_server_that_is_gone_is_a_passing_fault(configure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with any_provider.serving(any_provider.openai) as server:
        served = serve("openai", server, configure, monkeypatch)
    with pytest.raises(TransientError, match="could not be reached"):
        served.provider.embed_query("text")


# --- what only some have --------------------------------------------------------------------------------------------


@pytest.fixture
def openai(configure: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with any_provider.serving(any_provider.openai) as server:
        yield serve("openai", server, configure, monkeypatch)


def test_a_spent_account_is_a_refusal_that_no_waiting_mends(openai: Served) -> None:
    failing(openai, Answer(429, {"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}))
    with pytest.raises(ProviderRejected, match="insufficient_quota"):
        openai.provider.embed_passages(["text"])


def test_requests_keep_below_the_providers_tokens(openai: Served, configure: Any) -> None:
    configure("openai", openai.server.url, limits={"openai": {"tokens_per_minute": 5_000}})
    texts = [f"word{number} " * 100 for number in range(6)]
    with pytest.raises(RateLimited):
        openai.provider.embed_passages(texts)
    for sent in openai.server.texts():
        counted = [len(openai.provider.encode(text)) for text in sent]
        assert len(sent) == 1 or sum(counted) <= 500


def test_a_key_that_was_rotated_is_read_anew(openai: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "MAX_AGE_S", 300)
    openai.provider.embed_passages(["text"])
    aws.client("secretsmanager").put_secret_value(SecretId="provider-keys", SecretString="sk-new")
    usual = openai.server.usual

    def strict(call: Call) -> Answer:
        return usual(call) if call.headers["authorization"] == "Bearer sk-new" else Answer(401, {})

    openai.server.usual = strict
    assert openai.provider.embed_passages(["text"]).shape == (1, 512)
    assert [call.headers["authorization"] for call in openai.server.calls[1:]] == [f"Bearer {KEY}", "Bearer sk-new"]


def test_without_a_key_the_providers_own_endpoint_is_not_called(stack: None) -> None:
    provider = RemoteProvider(space_for("voyage", "voyage-4"))
    with pytest.raises(ProviderRejected, match="no key for Voyage AI"):
        provider.embed_passages(["text"])


def test_another_endpoint_of_the_same_model_serves_when_the_first_does_not(openai: Served, configure: Any) -> None:
    with any_provider.serving(any_provider.openai) as second:
        configure("openai", openai.server.url, second.url)
        for answer in (Answer(500, {}), Answer(429, {}, {"Retry-After": "60"})):
            failing(openai, answer)
            assert openai.provider.embed_passages(["text"]) == pytest.approx(openai.expected(["text"]), abs=1e-6)
        assert len(second.calls) == 2
        failing(openai, Answer(401, {}))
        second.usual = lambda _: Answer(500, {})
        with pytest.raises((RateLimited, TransientError)):
            openai.provider.embed_passages(["text"])


def test_a_refusal_is_not_tried_elsewhere(openai: Served, configure: Any) -> None:
    with any_provider.serving(any_provider.openai) as second:
        configure("openai", openai.server.url, second.url)
        failing(openai, Answer(403, {}))
        with pytest.raises(ProviderRejected):
            openai.provider.embed_passages(["text"])
        assert second.calls == []


def test_bedrocks_other_region_makes_the_same_vectors(configure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with any_provider.serving(any_provider.bedrock) as server:
        served = serve("titan", server, configure, monkeypatch)
        monkeypatch.setenv("OMNILAKE_EMBEDDING_OPTIONS", "{}")
        monkeypatch.setenv("OMNILAKE_EMBEDDING_FALLBACK_REGION", "eu-west-1")
        settings.cache_clear()
        server.script.append(Answer(500, {}))
        assert served.provider.embed_passages(["text"]) == pytest.approx(served.expected(["text"]), abs=1e-6)
        regions = [call.headers["authorization"].split("/")[2] for call in server.calls]
        assert regions == ["us-east-1", "eu-west-1"]


def test_a_model_that_is_being_loaded_is_waited_for(configure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with any_provider.serving(any_provider.huggingface) as server:
        served = serve("huggingface", server, configure, monkeypatch)
        failing(served, Answer(503, {"error": "Model is currently loading", "estimated_time": 12.3}))
        with pytest.raises(RateLimited, match="Wait 13 s"):
            served.provider.embed_passages(["text"])


def test_a_text_that_was_cut_all_the_same_is_rejected(configure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with any_provider.serving(any_provider.cohere) as server:
        served = serve("cohere", server, configure, monkeypatch)

        def cutting(call: Call) -> Answer:
            told = any_provider.cohere(call).body
            if "long text" in call.body["texts"]:
                told["meta"]["warnings"] = ["1 input was truncated"]
            return Answer(body=told)

        server.usual = cutting
        portions = list(embed_each(served.provider, ["a", "long text", "b"]))
        assert {position for portion in portions for position in portion.rejected} == {1}


def test_a_redirect_is_not_followed_with_the_key(openai: Served) -> None:
    failing(openai, Answer(307, {}, {"Location": f"{openai.server.url}/elsewhere"}))
    with pytest.raises(ProviderRejected, match="307"):
        openai.provider.embed_passages(["text"])
    assert len(openai.server.calls) == 1


def test_remote_spaces_need_neither_the_model_nor_its_runtime(openai: Served) -> None:
    program = (
        "import sys; from omnilake.embedding import provider_for, space_for\n"
        "for name in ('openai/text-embedding-3-small', 'bedrock/amazon.titan-embed-text-v2:0', 'voyage/voyage-4'):\n"
        "    provider_for(space_for(*name.split('/', 1))).encode('a text')\n"
        "assert not {'onnxruntime', 'tokenizers', 'numpy'} & set(sys.modules), sorted(sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(root / "layers/core"), **_ranks()}
    )


def _ranks() -> dict[str, str]:
    import os

    return {"TIKTOKEN_CACHE_DIR": os.environ["TIKTOKEN_CACHE_DIR"]}


@pytest.mark.parametrize("known", KNOWN.values(), ids=lambda known: known.name)
def test_every_known_model_has_a_provider_with_room_for_a_chunk(known: Any) -> None:
    provider = RemoteProvider(known.space(known.dimensions[0]))
    assert provider.max_tokens >= 100
    assert options.options().price(known) >= 0
