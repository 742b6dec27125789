from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from omnilake.embedding import default_space, max_passage_tokens, provider_for
from omnilake.embedding.local import MAX_TOKENS, SPACE, LocalProvider
from omnilake.errors import EmbeddingRejected


@pytest.fixture(scope="module")
def provider(model_package: Path) -> LocalProvider:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(model_package)
        return LocalProvider(SPACE)


TEXTS = [
    "A state machine.",
    "The bucket is versioned and encrypted. " * 12,
    "7",
    "Wie heißt die Tabelle? 表は何ですか 🙂",
]


def test_the_constant_of_the_space_is_the_revision_of_the_model_that_the_layer_ships(
    model_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(model_package)
    import omnilake_minilm

    assert SPACE.revision == omnilake_minilm.REVISION
    assert SPACE.dimensions == omnilake_minilm.DIMENSIONS
    assert omnilake_minilm.MAX_TOKENS == MAX_TOKENS + 2


def test_a_passage_has_the_same_vector_alone_and_in_a_batch(provider: LocalProvider) -> None:
    together = provider.embed_passages(TEXTS)
    alone = np.stack([provider.embed_passages([text])[0] for text in TEXTS])
    assert together.shape == (4, 384)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (together * alone).sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert (together[0] @ together[1]) < 0.9  # and they are told apart


def test_near_questions_find_near_passages(provider: LocalProvider) -> None:
    passages = provider.embed_passages(["Objects can be restored from Glacier.", "The cat sleeps on the warm stove."])
    question = provider.embed_query("Where do pets nap?")
    assert question.shape == (384,)
    assert passages[1] @ question > passages[0] @ question + 0.2


def test_a_passage_is_never_cut(provider: LocalProvider) -> None:
    longest = "word " * MAX_TOKENS
    assert provider.embed_passages([longest]).shape == (1, 384)
    with pytest.raises(EmbeddingRejected, match=f"Passage 1 has {MAX_TOKENS + 1} tokens"):
        provider.embed_passages(["fine", longest + "word"])


def test_a_passage_without_a_token_is_refused(provider: LocalProvider) -> None:
    with pytest.raises(EmbeddingRejected):
        provider.embed_passages(["fine", " \n"])
    with pytest.raises(EmbeddingRejected):
        provider.embed_query("  ")


def test_no_passages_are_no_vectors(provider: LocalProvider) -> None:
    assert provider.embed_passages([]).shape == (0, 384)


def test_the_end_of_a_long_question_counts(provider: LocalProvider) -> None:
    opening = "Please think about the following with care. " * 30
    about_cats, about_queues = (
        provider.embed_query(opening + end * 60) for end in ("cats and dogs ", "dead letter queue ")
    )
    assert np.linalg.norm(about_cats) == pytest.approx(1.0, abs=1e-5)
    assert about_cats @ about_queues < 0.95


def test_a_long_question_without_spaces_is_embedded(provider: LocalProvider) -> None:
    assert provider.embed_query("ab." * 2_600).shape == (384,)
    assert provider.embed_query("x" * 8_000).shape == (384,)


def test_spans_of_tokens_are_of_the_text_as_it_is(provider: LocalProvider) -> None:
    text = "Naïve embeddings: 🙂 ok"
    assert [text[start:end] for start, end in provider.encode(text)] == [
        "Naïve", "em", "bed", "ding", "s", ":", "🙂", "ok",
    ]  # fmt: skip


def test_spans_are_not_cut_at_the_window_of_the_model(provider: LocalProvider) -> None:
    assert len(provider.encode("word " * 1_000)) == 1_000


def test_another_space_is_refused(model_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(model_package)
    other = SPACE.model_copy(update={"revision": "0" * 64})
    with pytest.raises(EmbeddingRejected, match="not of local/all-MiniLM-L6-v2/384/l2/000000000000"):
        provider_for(other)


def test_a_layer_with_another_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "omnilake_minilm.py").write_text("REVISION = 'f' * 64\nMODEL_PATH = TOKENIZER_PATH = ''\n")
    monkeypatch.delitem(sys.modules, "omnilake_minilm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(EmbeddingRejected, match="holds revision ffffffffffff"):
            LocalProvider(SPACE)
    finally:
        sys.modules.pop("omnilake_minilm", None)


def test_the_default_space_is_known_without_the_model_or_its_libraries() -> None:
    program = (
        "import sys; from omnilake import embedding; space = embedding.default_space()\n"
        "assert embedding.max_passage_tokens(space) == 254, space\n"
        "print(sorted({'numpy', 'onnxruntime', 'tokenizers', 'omnilake_minilm', 'boto3'} & set(sys.modules)))"
    )
    core = Path(__file__).resolve().parents[3] / "layers" / "core"
    done = subprocess.run([sys.executable, "-c", program], cwd=core, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert max_passage_tokens(default_space()) == MAX_TOKENS
