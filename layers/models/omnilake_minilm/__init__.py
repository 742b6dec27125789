"""all-MiniLM-L6-v2 as a weight-only int8 ONNX model, with its tokenizer.

Inputs: ``input_ids``, ``attention_mask``, ``token_type_ids``, int64, shape (batch, tokens). Output:
``sentence_embedding``, float32, shape (batch, 384): mean over the tokens of the mask, then scaled to length 1.
Arithmetic is fp32, so a text has the same vector alone and in a batch.

``tokenizer.json`` truncates and pads to 128 tokens by itself: call ``enable_truncation(MAX_TOKENS)`` and
``no_padding()`` after loading it.
"""

from pathlib import Path

_HOME = Path(__file__).parent

MODEL_PATH = str(_HOME / "model.onnx")
TOKENIZER_PATH = str(_HOME / "tokenizer.json")
DIMENSIONS = 384
MAX_TOKENS = 256
"""Tokens of one text that the model was trained to read, specials included."""
REVISION = (_HOME / "revision.txt").read_text().strip()
"""SHA-256 of the model file: part of the embedding space's identity."""
