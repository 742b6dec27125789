"""all-MiniLM-L6-v2 in the process: weight-only int8 ONNX out of the package ``omnilake_minilm`` of the models layer.

No network, no key. Arithmetic is fp32, so a text has the same vector alone and in a batch. Model: Reimers and Gurevych
2019, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks"; sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from omnilake.embedding.provider import checked, windows
from omnilake.errors import EmbeddingRejected
from omnilake.models import EmbeddingSpace

if TYPE_CHECKING:
    from omnilake.embedding.provider import Vectors

REVISION = "617be468186037290c639e52016aef9766a256f9123b91a56dca789d4850295b"
"""SHA-256 of the model file. A constant of the code, because archives are created by functions that do not carry the
model; :class:`LocalProvider` refuses to work with a model file of any other revision."""

SPACE = EmbeddingSpace(provider="local", model="all-MiniLM-L6-v2", dimensions=384, normalised=True, revision=REVISION)

WINDOW_TOKENS = 256
"""Tokens that the model was trained to read, the two special ones included."""

MAX_TOKENS = WINDOW_TOKENS - 2
"""Most tokens of one passage."""

LONGEST_WORD = 100
"""Characters of the longest word that WordPiece splits: what a cut inside a word can add in tokens, at most."""

BATCH_TEXTS = 16
"""Most texts of one run of the model."""

BATCH_TOKENS = 1_024
"""Most tokens of one run, padding included: larger runs need more memory and are slower, their activations leave the
processor's caches."""

THREADS_VARIABLE = "OMNILAKE_EMBED_THREADS"
"""Threads of one run; 1 unless set, because the Map over embedding batches already keeps all processors busy."""


class LocalProvider:
    """Embeds with the model of the models layer. Model and tokenizer are loaded at the first call that needs them.

    Args:
        space: must be :data:`SPACE`.

    Raises:
        EmbeddingRejected: another space, the models layer is missing, or it holds a model of another revision.
    """

    max_tokens = MAX_TOKENS

    def __init__(self, space: EmbeddingSpace) -> None:
        if space != SPACE:
            raise EmbeddingRejected(
                f"The local model makes vectors of {SPACE.space_id}, not of {space.space_id}.",
                action="Ingest into a new archive: an archive keeps the space it was created with.",
            )
        self.space = space
        try:
            import omnilake_minilm
        except ModuleNotFoundError as error:
            raise EmbeddingRejected(
                "The package omnilake_minilm with the local model is not installed.",
                action="Attach the models layer to this function, or build it and put it on the path.",
            ) from error
        if space.revision != omnilake_minilm.REVISION:
            raise EmbeddingRejected(
                f"The models layer holds revision {omnilake_minilm.REVISION[:12]} of the model,"
                f" the space is of {space.revision[:12]}.",
                action="Build the models layer from the same version of the product.",
            )
        self._model_path: str = omnilake_minilm.MODEL_PATH
        self._tokenizer_path: str = omnilake_minilm.TOKENIZER_PATH

    def embed_passages(self, texts: list[str]) -> Vectors:
        """See :class:`~omnilake.embedding.provider.EmbeddingProvider`. Never truncates."""
        import numpy as np

        encodings = self._tokenizer.encode_batch(texts) if texts else []
        counts = [len(encoding.ids) for encoding in encodings]
        for number, count in enumerate(counts):
            if not 2 < count <= WINDOW_TOKENS:
                raise EmbeddingRejected(f"Passage {number} has {count - 2} tokens; 1 to {MAX_TOKENS} can be embedded.")
        vectors = np.empty((len(texts), SPACE.dimensions), dtype=np.float32)
        for rows in batches(counts):
            vectors[rows] = self._run([encodings[row].ids for row in rows])
        return checked(vectors, len(texts), SPACE)

    def embed_query(self, text: str) -> Vectors:
        """See :class:`~omnilake.embedding.provider.EmbeddingProvider`.

        A question longer than the model reads is embedded in windows; its vector is their mean, weighted by tokens.
        """
        import numpy as np

        spans = self.encode(text)
        if not spans:
            raise EmbeddingRejected("The question has no token.")
        if len(spans) <= MAX_TOKENS:
            alone: Vectors = self.embed_passages([text])[0]
            return alone
        pieces = windows(spans, MAX_TOKENS - LONGEST_WORD)
        vectors = self.embed_passages([text[start:end] for start, end, _ in pieces])
        mean = np.average(vectors, axis=0, weights=[tokens for _, _, tokens in pieces]).astype(np.float32)
        length = float(np.linalg.norm(mean))
        unit: Vectors = mean / np.float32(length) if length else mean
        vector: Vectors = checked(unit[np.newaxis, :], 1, SPACE)[0]
        return vector

    def encode(self, text: str) -> list[tuple[int, int]]:
        """See :class:`~omnilake.embedding.provider.EmbeddingProvider`. Memory grows with the text: pass windows."""
        spans: list[tuple[int, int]] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return spans

    def _run(self, ids: list[list[int]]) -> Vectors:
        import numpy as np

        width = max(map(len, ids))
        tokens = np.zeros((len(ids), width), dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, each in enumerate(ids):
            tokens[row, : len(each)] = each
            mask[row, : len(each)] = 1
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        vectors: Vectors = self._session.run(["sentence_embedding"], inputs)[0]
        return vectors

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its thread pool is for corpora, and fork-unsafe
        tokenizer = Tokenizer.from_file(self._tokenizer_path)
        # The file says to cut and to pad every text to 128 tokens. Nothing may be cut silently.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get(THREADS_VARIABLE, "1"))
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(self._model_path, options, providers=["CPUExecutionProvider"])


def batches(counts: list[int]) -> Iterator[list[int]]:
    """Positions of texts in runs of similar length, longest first, so that little of a run is padding.

    Args:
        counts: tokens of each text.

    Yields:
        Positions, at most :data:`BATCH_TEXTS` with at most :data:`BATCH_TOKENS` tokens after padding (or one text).
    """
    order = sorted(range(len(counts)), key=lambda position: (-counts[position], position))
    first = 0
    while first < len(order):
        fitting = max(1, min(BATCH_TEXTS, BATCH_TOKENS // max(1, counts[order[first]])))
        yield order[first : first + fitting]
        first += fitting
