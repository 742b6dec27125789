"""all-MiniLM-L6-v2 from its fp32 ONNX export to weight-only int8, with pooling and normalisation inside the graph.

Run by the layer's build: ``python quantise.py <directory of the export> <model to write>``. Nothing is written unless
the model passes :func:`verify`.

Weights only: embeddings and matrices are stored as symmetric 8-bit integers with one fp32 scale a row (embeddings) or
an output column (matrices), and multiplied back to fp32 before use; arithmetic stays fp32. Dynamic quantisation, which
also rounds activations by the range found in the *batch*, would make a text's vector depend on its neighbours (cosine
0.985 between alone and in a batch) and on the processor's instruction set.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

LEAST_COSINE_TO_FP32 = 0.999
LEAST_COSINE_IN_BATCH = 0.999999
SMALLEST_QUANTISED = 50_000
"""Values; biases, normalisation weights, and the two token types stay fp32: they are small and matter."""

SENTENCES = (
    "A state machine in Standard mode runs for up to one year.",
    "Retry",
    "How do I redrive messages from a dead-letter queue back to the source queue?",
    "The quick brown fox jumps over the lazy dog while the éclair waits on the table in Zürich, naïvely.",
    "DynamoDB TransactWriteItems: ConditionalCheckFailedException, ThrottlingException (429), 4 MB aggregate size.",
    "Die Lambda-Funktion wurde nach 15 Minuten beendet; 日本語の文書も索引に入れる。",
    "Step Functions, Lambda, S3 and DynamoDB form a pipeline. " * 18,
)
"""Short and long, plain and technical, other scripts; the last fills the 256 tokens that the model reads."""

Vectors = NDArray[np.float32]


def pool_and_normalise(model: onnx.ModelProto) -> None:
    """Make the graph end in ``sentence_embedding`` (batch, 384): masked mean over tokens, then length 1.

    As in the model's own pipeline (sentence-transformers: Pooling by mean, then Normalize).
    """
    graph = model.graph
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "pooling_token_axis"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "pooling_last_axis"),
            numpy_helper.from_array(np.array(1e-9, dtype=np.float32), "pooling_least_tokens"),
            numpy_helper.from_array(np.array(1e-12, dtype=np.float32), "pooling_least_length"),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("Cast", ["attention_mask"], ["pooling_mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["pooling_mask", "pooling_last_axis"], ["pooling_weights"]),
            helper.make_node("Mul", ["last_hidden_state", "pooling_weights"], ["pooling_weighted"]),
            helper.make_node("ReduceSum", ["pooling_weighted", "pooling_token_axis"], ["pooling_sum"], keepdims=0),
            helper.make_node("ReduceSum", ["pooling_weights", "pooling_token_axis"], ["pooling_tokens"], keepdims=0),
            helper.make_node("Max", ["pooling_tokens", "pooling_least_tokens"], ["pooling_count"]),
            helper.make_node("Div", ["pooling_sum", "pooling_count"], ["pooling_mean"]),
            helper.make_node("ReduceL2", ["pooling_mean", "pooling_token_axis"], ["pooling_norm"], keepdims=1),
            helper.make_node("Max", ["pooling_norm", "pooling_least_length"], ["pooling_length"]),
            helper.make_node("Div", ["pooling_mean", "pooling_length"], ["sentence_embedding"]),
        ]
    )
    width = graph.output[0].type.tensor_type.shape.dim[2].dim_value
    embedding = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch_size", width])
    del graph.output[:]
    graph.output.append(embedding)


def quantise_weights(model: onnx.ModelProto) -> int:
    """Store the weights of Gather and MatMul nodes as int8 with scales, in place; return how many tensors changed."""
    graph = model.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    quantised = {name for name, values in weights.items() if values.ndim == 2 and values.size >= SMALLEST_QUANTISED}
    constants: dict[str, NDArray[np.generic]] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        # The input's place in the node says what it is: Gather looks rows up in its first, MatMul has weights second.
        if node.op_type == "Gather" and node.input[0] in quantised:
            name = node.input[0]
            constants[f"{name}.levels"], constants[f"{name}.scale"] = levels_and_scale(weights.pop(name), axis=0)
            nodes.extend(_restored_rows(name, rows=node.input[1], output=node.output[0]))
        elif node.op_type == "MatMul" and node.input[1] in quantised:
            name = node.input[1]
            constants[f"{name}.levels"], constants[f"{name}.scale"] = levels_and_scale(weights.pop(name), axis=1)
            nodes.extend([*_restored(f"{name}.levels", f"{name}.scale", output=name), node])
        else:
            nodes.append(node)
    tensors = [numpy_helper.from_array(values, name) for name, values in (weights | constants).items()]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(tensors)
    graph.node.extend(nodes)
    return len(constants) // 2


def levels_and_scale(weights: Vectors, axis: int) -> tuple[NDArray[np.int8], Vectors]:
    """Symmetric 8-bit levels of a matrix, and the fp32 scale of each index of the axis, so that levels × scale ≈ it."""
    scale = np.abs(weights).max(axis=1 - axis, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    return np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale


def _restored(levels: str, scale: str, output: str) -> list[onnx.NodeProto]:
    # Not DequantizeLinear: onnxruntime (1.31) fuses it with MatMul into MatMulNBits, which rounds activations too,
    # differently on each processor. Cast and Mul of constants are folded to fp32 weights when the model is loaded.
    return [
        helper.make_node("Cast", [levels], [f"{output}.cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{output}.cast", scale], [output]),
    ]


def _restored_rows(name: str, rows: str, output: str) -> list[onnx.NodeProto]:
    # Only the rows that a text uses are restored: the 30,522 of the vocabulary stay int8 in memory.
    return [
        helper.make_node("Gather", [f"{name}.levels", rows], [f"{output}.levels"]),
        helper.make_node("Gather", [f"{name}.scale", rows], [f"{output}.scale"]),
        *_restored(f"{output}.levels", f"{output}.scale", output),
    ]


def embed(model: bytes, tokenizer: Tokenizer, texts: list[str]) -> Vectors:
    """Vectors (texts, 384) of the texts as one batch."""
    encoded = tokenizer.encode_batch(texts)
    ids = np.array([row.ids for row in encoded], dtype=np.int64)
    mask = np.array([row.attention_mask for row in encoded], dtype=np.int64)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return np.asarray(session.run(["sentence_embedding"], inputs)[0], dtype=np.float32)


def verify(exact: bytes, quantised: bytes, tokenizer_file: Path) -> None:
    """Check the quantised model against the fp32 one, and a text alone against the same text in a batch.

    Raises:
        SystemExit: a cosine is under its least value.
    """
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding(length=None)
    texts = list(SENTENCES)
    batch = embed(quantised, tokenizer, texts)
    alone = np.concatenate([embed(quantised, tokenizer, [text]) for text in texts])
    to_exact = float((batch * embed(exact, tokenizer, texts)).sum(axis=1).min())
    in_batch = float((batch * alone).sum(axis=1).min())
    print(f"least cosine to fp32 {to_exact:.6f}, of a text alone to itself in a batch {in_batch:.8f}")
    if to_exact < LEAST_COSINE_TO_FP32:
        sys.exit(f"The quantised model is too far from the fp32 one: cosine {to_exact} < {LEAST_COSINE_TO_FP32}.")
    if in_batch < LEAST_COSINE_IN_BATCH:
        sys.exit(f"A text's vector depends on its batch: cosine {in_batch} < {LEAST_COSINE_IN_BATCH}.")


def main(export: Path, output: Path) -> None:
    """Quantise, verify, write."""
    model = onnx.load(str(export / "onnx" / "model.onnx"))
    pool_and_normalise(model)
    exact = model.SerializeToString(deterministic=True)
    if quantise_weights(model) == 0:
        sys.exit("The export has no weights to quantise: its graph is not the one expected.")
    quantised = model.SerializeToString(deterministic=True)
    verify(exact, quantised, export / "tokenizer.json")
    output.write_bytes(quantised)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
