from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.embedding import provider_for
from omnilake.embedding.local import BATCH_TEXTS, BATCH_TOKENS, batches
from omnilake.embedding.provider import checked, windows
from omnilake.errors import EmbeddingRejected
from omnilake.models import EmbeddingSpace

SPACE = EmbeddingSpace(provider="any", model="any", dimensions=3, normalised=True, revision="r")
GOOD = np.array([[1, 0, 0], [0, 0.6, 0.8]], dtype=np.float32)


def test_good_vectors_pass_as_they_are() -> None:
    assert checked(GOOD, 2, SPACE) is GOOD


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([float("nan"), 0, 0], "NaN or infinity"),
        ([float("inf"), 0, 0], "NaN or infinity"),
        ([0, 0, 0], "length zero"),
        ([2, 0, 0], "not of length 1"),
    ],
)
def test_vectors_that_can_not_be_compared_are_refused(row: list[float], reason: str) -> None:
    bad = GOOD.copy()
    bad[1] = row
    with pytest.raises(EmbeddingRejected, match=reason):
        checked(bad, 2, SPACE)


@pytest.mark.parametrize("vectors", [GOOD[:1], GOOD[:, :2], GOOD.astype(np.float64), GOOD[0]])
def test_vectors_of_another_shape_or_type_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(EmbeddingRejected, match="shape"):
        checked(vectors, 2, SPACE)


def test_vectors_of_a_raw_space_need_no_length() -> None:
    raw = SPACE.model_copy(update={"normalised": False})
    assert checked(GOOD * 7, 2, raw) is not None


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(EmbeddingRejected, match="No embedding provider is called any"):
        provider_for(SPACE)


@given(st.lists(st.integers(1, 256), max_size=200))
def test_batches_hold_every_text_once_within_the_limits(counts: list[int]) -> None:
    runs = list(batches(counts))
    assert sorted(position for run in runs for position in run) == list(range(len(counts)))
    for run in runs:
        assert 1 <= len(run) <= BATCH_TEXTS
        assert len(run) == 1 or len(run) * max(counts[position] for position in run) <= BATCH_TOKENS


@given(st.integers(0, 500), st.integers(1, 60))
def test_windows_cover_all_tokens_in_order(tokens: int, size: int) -> None:
    spans = [(3 * number, 3 * number + 2) for number in range(tokens)]
    cut = windows(spans, size)
    assert sum(count for _, _, count in cut) == tokens
    assert all(count <= size for _, _, count in cut)
    assert [start for start, _, _ in cut] == [spans[first][0] for first in range(0, tokens, size)]
    assert not cut or cut[-1][1] == spans[-1][1]
