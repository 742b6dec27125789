from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnilake import tokens
from omnilake.errors import StageFailed


@pytest.fixture(autouse=True)
def _without_network_or_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise OSError("the network is cut")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    tokens._encoding.cache_clear()
    yield
    tokens._encoding.cache_clear()


def test_tokens_are_counted_with_the_network_cut(ranks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(ranks))
    assert tokens.count("The quick brown fox jumps over the lazy dog.") == 10
    assert tokens.count("") == 0
    assert tokens.count("naïve 🙂", "o200k_base") > 0


def test_a_special_token_in_a_text_is_text(ranks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(ranks))
    assert tokens.count("<|endoftext|>") > 1


@pytest.mark.parametrize("encoding", ["cl100k_base", "p50k_base"])
def test_ranks_that_are_missing_are_an_error_not_a_download(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(StageFailed, match=f"ranks of {encoding} are not installed"):
        tokens.count("text", encoding)
