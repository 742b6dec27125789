"""LlamaIndex's and Haystack's ingestion pipelines over a corpus, each in a process and an environment of its own.

    python benchmarks/peers.py NAME CORPUS MODELS

Prints the figures as one line of JSON. (Without ``from __future__ import annotations``: Haystack reads the types of its
components as they stand.)
"""

import dataclasses
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHUNK_TOKENS, OVERLAP_TOKENS = 220, 32


def _embedder(models: Path) -> Any:
    sys.path.append(str(models))
    os.environ["OMNILAKE_EMBED_THREADS"] = str(os.cpu_count())
    from omnilake import embedding

    provider = embedding.provider_for(embedding.default_space())
    provider.embed_passages(["warm up"])
    return provider


def llama_index(corpus: Path, models: Path) -> dict[str, Any]:
    """LlamaIndex's IngestionPipeline over the corpus."""
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import Document

    provider = _embedder(models)

    class Embedder(BaseEmbedding):  # type: ignore[misc]
        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [list(map(float, row)) for row in provider.embed_passages([_fitting(provider, t) for t in texts])]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    splitter = SentenceSplitter(
        chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS, tokenizer=provider.encode, include_metadata=False
    )
    pipeline = IngestionPipeline(transformations=[splitter, Embedder(embed_batch_size=128)])
    given = [Document(text=each["text"], doc_id=each["record_id"]) for each in _read(corpus)]
    started = time.perf_counter()
    nodes = pipeline.run(documents=given)
    with tempfile.TemporaryDirectory() as folder:
        import lancedb

        rows = [{"id": node.node_id, "text": node.text, "vector": node.embedding} for node in nodes]
        lancedb.connect(folder).create_table("chunks", rows)
        seconds = time.perf_counter() - started
    return _figures(len(given), len(nodes), seconds, "llama-index-core")


def haystack(corpus: Path, models: Path) -> dict[str, Any]:
    """Haystack's indexing pipeline over the corpus."""
    from haystack import Document, Pipeline, component
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    provider = _embedder(models)

    @component
    class Embedder:
        @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
        def run(self, documents: list[Document]) -> dict[str, list[Document]]:
            embedded = []
            for first in range(0, len(documents), 128):
                batch = documents[first : first + 128]
                vectors = provider.embed_passages([_fitting(provider, each.content) for each in batch])
                embedded += [
                    dataclasses.replace(each, embedding=list(map(float, vector)))
                    for each, vector in zip(batch, vectors, strict=True)
                ]
            return {"documents": embedded}

    def by_tokens(text: str) -> list[str]:
        """Pieces of 188 tokens: Haystack's splitter adds the overlap to them."""
        spans = provider.encode(text)
        size = CHUNK_TOKENS - OVERLAP_TOKENS
        cuts = [spans[first][0] for first in range(0, len(spans), size)] + [len(text)]
        return [text[start:end] for start, end in itertools.pairwise(cuts)]

    store = InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("split", DocumentSplitter(split_by="function", splitting_function=by_tokens, split_length=1))
    pipeline.add_component("embed", Embedder())
    pipeline.add_component("write", DocumentWriter(store))
    pipeline.connect("split", "embed")
    pipeline.connect("embed", "write")
    given = [Document(id=each["record_id"], content=each["text"]) for each in _read(corpus)]
    pipeline.get_component("split").warm_up()
    started = time.perf_counter()
    pipeline.run({"split": {"documents": given}})
    seconds = time.perf_counter() - started
    return _figures(len(given), store.count_documents(), seconds, "haystack-ai")


def _fitting(provider: Any, text: str) -> str:
    """A chunk of a peer, cut to what the model reads: its splitter may pass the size it was given by some tokens."""
    spans = provider.encode(text)
    return text if len(spans) <= provider.max_tokens else text[: spans[provider.max_tokens - 1][1]]


def _read(corpus: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in corpus.read_text().splitlines()]


def _figures(count: int, chunks: int, seconds: float, package: str) -> dict[str, Any]:
    from importlib.metadata import version

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "documents": count,
        "chunks": chunks,
        "seconds": seconds,
        "docs_per_s": count / seconds,
        "peak_rss_mb": peak,
        "version": version(package),
    }


if __name__ == "__main__":
    run = {"llama_index": llama_index, "haystack": haystack}[sys.argv[1]]
    print(json.dumps(run(Path(sys.argv[2]), Path(sys.argv[3]))))
