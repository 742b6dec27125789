"""Other systems' search over a corpus of BEIR's format, each in a process of its own.

    python benchmarks/retrieval_peers.py SYSTEM FOLDER VECTORS QUERIES

Prints one line of JSON: ``version``, and ``rankings``: query id → [document ids, milliseconds]. SYSTEM ``vectors``
writes the file of vectors that the others read.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTH = 50
"""Documents that each search brings, and that each side of a hybrid brings."""

Search = Callable[[str], list[str]]


def embedder() -> Any:
    """The product's local embedder."""
    from omnilake import embedding

    provider = embedding.provider_for(embedding.default_space())
    provider.embed_passages(["warm up"])
    return provider


def corpus(folder: Path) -> tuple[list[str], list[str]]:
    """Ids and texts, title first, of documents that have a text."""
    with (folder / "corpus.jsonl").open() as lines:
        told = [each for each in map(json.loads, lines) if each["text"].strip()]
    return [each["_id"] for each in told], [f"{each.get('title', '')} {each['text']}".strip() for each in told]


def write_vectors(folder: Path, path: Path) -> None:
    """Vectors of all documents, shape (documents, dimensions), float32."""
    provider = embedder()
    vectors = []
    _, texts = corpus(folder)
    for first in range(0, len(texts), 64):
        vectors.append(provider.embed_passages([_fitting(provider, text) for text in texts[first : first + 64]]))
        if first % 1_024 == 0:
            print(f"  {first} of {len(texts)} documents embedded", file=sys.stderr)
    with path.with_suffix(".part").open("wb") as file:
        np.save(file, np.concatenate(vectors).astype(np.float32))
    path.with_suffix(".part").rename(path)


def _fitting(provider: Any, text: str) -> str:
    spans = provider.encode(text)
    return text if len(spans) <= provider.max_tokens else text[: spans[provider.max_tokens - 1][1]]


def bm25(folder: Path, _: NDArray[np.float32]) -> tuple[Search, str]:
    """bm25s alone."""
    import bm25s
    import Stemmer

    ids, texts = corpus(folder)
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)

    def search(query: str) -> list[str]:
        tokens = bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False)
        found, _ = index.retrieve(tokens, k=min(DEPTH, len(ids)), show_progress=False)
        return [ids[place] for place in found[0]]

    return search, f"bm25s {version('bm25s')}"


def dense(folder: Path, vectors: NDArray[np.float32]) -> tuple[Search, str]:
    """Exact search by cosine."""
    ids, _ = corpus(folder)
    provider = embedder()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def search(query: str) -> list[str]:
        near = unit @ provider.embed_query(_fitting(provider, query))
        return [ids[place] for place in np.argsort(-near, kind="stable")[:DEPTH]]

    return search, f"numpy {version('numpy')}"


def _llama_index(folder: Path, vectors: NDArray[np.float32]) -> tuple[Any, list[Any]]:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.schema import TextNode

    provider = embedder()

    class Embedder(BaseEmbedding):  # type: ignore[misc]
        def _get_text_embedding(self, text: str) -> list[float]:
            return [float(value) for value in provider.embed_query(_fitting(provider, text))]

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    ids, texts = corpus(folder)
    nodes = [
        TextNode(id_=identity, text=text, embedding=vector.tolist())
        for identity, text, vector in zip(ids, texts, vectors, strict=True)
    ]
    index = VectorStoreIndex(nodes, embed_model=Embedder())
    return index.as_retriever(similarity_top_k=DEPTH), nodes


def llama_index_dense(folder: Path, vectors: NDArray[np.float32]) -> tuple[Search, str]:
    """LlamaIndex's vector index in memory."""
    retriever, _ = _llama_index(folder, vectors)
    return (lambda query: [each.node.node_id for each in retriever.retrieve(query)]), _llama_index_version()


def llama_index_hybrid(folder: Path, vectors: NDArray[np.float32]) -> tuple[Search, str]:
    """LlamaIndex's fusion of that and its BM25 retriever."""
    from llama_index.core.llms import MockLLM
    from llama_index.core.retrievers import QueryFusionRetriever
    from llama_index.retrievers.bm25 import BM25Retriever

    near, nodes = _llama_index(folder, vectors)
    worded = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=DEPTH)
    fused = QueryFusionRetriever(
        [near, worded],
        llm=MockLLM(),
        similarity_top_k=DEPTH,
        num_queries=1,
        mode="reciprocal_rerank",
        use_async=False,
    )
    return (lambda query: [each.node.node_id for each in fused.retrieve(query)]), _llama_index_version()


def _llama_index_version() -> str:
    return f"llama-index-core {version('llama-index-core')}"


def _haystack(folder: Path, vectors: NDArray[np.float32]) -> Any:
    from haystack import Document
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    ids, texts = corpus(folder)
    store.write_documents(
        [
            Document(id=identity, content=text, embedding=vector.tolist())
            for identity, text, vector in zip(ids, texts, vectors, strict=True)
        ]
    )
    return store


def haystack_dense(folder: Path, vectors: NDArray[np.float32]) -> tuple[Search, str]:
    """Haystack's embedding retriever over its store in memory."""
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever

    provider = embedder()
    retriever = InMemoryEmbeddingRetriever(_haystack(folder, vectors), top_k=DEPTH)

    def search(query: str) -> list[str]:
        asked = [float(value) for value in provider.embed_query(_fitting(provider, query))]
        return [each.id for each in retriever.run(query_embedding=asked)["documents"]]

    return search, _haystack_version()


def haystack_hybrid(folder: Path, vectors: NDArray[np.float32]) -> tuple[Search, str]:
    """Haystack's fusion of that and its BM25 retriever."""
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever

    provider = embedder()
    store = _haystack(folder, vectors)
    near = InMemoryEmbeddingRetriever(store, top_k=DEPTH)
    worded = InMemoryBM25Retriever(store, top_k=DEPTH)
    joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=DEPTH)

    def search(query: str) -> list[str]:
        asked = [float(value) for value in provider.embed_query(_fitting(provider, query))]
        both = [near.run(query_embedding=asked)["documents"], worded.run(query=query)["documents"]]
        return [each.id for each in joiner.run(documents=both)["documents"]]

    return search, _haystack_version()


def _haystack_version() -> str:
    return f"haystack-ai {version('haystack-ai')}"


SYSTEMS = {
    "bm25": bm25,
    "dense": dense,
    "llama_index_dense": llama_index_dense,
    "llama_index_hybrid": llama_index_hybrid,
    "haystack_dense": haystack_dense,
    "haystack_hybrid": haystack_hybrid,
}


def main(system: str, folder: Path, vectors: Path, queries: Path) -> dict[str, Any]:
    """Search for every query."""
    search, told = SYSTEMS[system](folder, np.load(vectors))
    search("warm up")
    rankings = {}
    for identity, query in json.loads(queries.read_text()).items():
        started = time.perf_counter()
        found = search(query)
        rankings[identity] = [found, 1_000 * (time.perf_counter() - started)]
    return {"version": told, "rankings": rankings}


if __name__ == "__main__":
    if sys.argv[1] == "vectors":
        write_vectors(Path(sys.argv[2]), Path(sys.argv[3]))
        print("{}")
    else:
        print(json.dumps(main(sys.argv[1], *map(Path, sys.argv[2:5]))))
