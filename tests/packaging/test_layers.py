"""Each built layer works on this host with nothing but the layer and what AWS's runtime brings."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging_types import RunInLayers

ROOT = Path(__file__).resolve().parents[2]


def test_tokens_are_counted_without_a_network_by_the_ranks_in_the_core_layer(run_in_layers: RunInLayers) -> None:
    output = run_in_layers(
        """
import os, omnilake_tiktoken
os.environ["TIKTOKEN_CACHE_DIR"] = omnilake_tiktoken.CACHE_DIR
import tiktoken
for name in ("cl100k_base", "o200k_base"):
    encoding = tiktoken.get_encoding(name)
    text = "Step Functions retries naïve tasks — three times."
    assert encoding.decode(encoding.encode(text)) == text
    print(name, encoding.encode("hello world"))
""",
        "core",
    )
    # The published ids of these encodings, so that wrong ranks under the right names show.
    assert output.splitlines() == ["cl100k_base [15339, 1917]", "o200k_base [24912, 2375]"]


def test_core_layer_brings_our_package_without_its_command_line_and_no_second_boto3(layers: dict[str, Path]) -> None:
    modules = layers["core"] / "python"
    assert (modules / "omnilake" / "models.py").is_file()
    assert not (modules / "omnilake" / "cli").exists()
    assert not list(modules.glob("boto*"))
    assert not (modules / "requests").exists()


def test_powertools_and_xray_work_with_the_runtimes_boto3(run_in_layers: RunInLayers) -> None:
    program = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
import boto3
tracer = Tracer(service="test", disabled=True)
Logger(service="test").info("ready")
print(boto3.__file__)
"""
    output = run_in_layers(program, "core", AWS_DEFAULT_REGION="us-east-1")
    assert '"message":"ready"' in output
    assert "CoreLayer" not in output.splitlines()[-1]


def test_documents_layer_reads_what_its_parsers_wrote(run_in_layers: RunInLayers) -> None:
    program = """
import io, charset_normalizer, docx, lxml.html, markdown_it, pypdf
stream = io.BytesIO()
document = docx.Document(); document.add_paragraph("a runbook"); document.save(stream)
assert docx.Document(stream).paragraphs[0].text == "a runbook"
assert lxml.html.fromstring("<p>a <b>page</b></p>").text_content() == "a page"
assert markdown_it.MarkdownIt().parse("# a heading")[0].tag == "h1"
writer = pypdf.PdfWriter(); writer.add_blank_page(72, 72); writer.encrypt("", algorithm="AES-256")
sealed = io.BytesIO(); writer.write(sealed)
reader = pypdf.PdfReader(sealed)
assert reader.is_encrypted and len(reader.pages) == 1  # AES with an empty user password opens: cryptography is there
print("read")
"""
    assert run_in_layers(program, "documents") == "read\n"


LANCEDB = """
import sys, tempfile
import lancedb, numpy as np, pyarrow as pa
from lancedb.index import FTS
table = pa.table({
    "id": [f"chunk {i}" for i in range(64)],
    "text": [f"retry policy number {i}" for i in range(64)],
    "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.eye(64, dtype="float32").ravel()), 64),
})
store = lancedb.connect(tempfile.mkdtemp()).create_table("store", table.slice(0, 40))
store.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(table)
store.create_index("text", config=FTS())
assert store.count_rows() == 64
assert store.search(np.eye(64, dtype="float32")[50]).limit(1).to_list()[0]["id"] == "chunk 50"
assert [row["id"] for row in store.search("number 7", query_type="fts").limit(1).to_list()] == ["chunk 7"]
print(lancedb._lancedb.__file__)
"""


def test_lancedb_writes_and_searches_from_the_packed_layer(run_in_layers: RunInLayers, tmp_path: Path) -> None:
    native = Path(run_in_layers(LANCEDB, "vector").strip())
    assert native.is_relative_to(tmp_path)
    assert native.parent.stat().st_mode & 0o077 == 0


def test_processes_that_start_together_unpack_lancedb_once(run_in_layers: RunInLayers, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as starting:
        outputs = set(starting.map(lambda _: run_in_layers("import lancedb; print('ok')", "vector"), range(3)))
    assert outputs == {"ok\n"}
    assert len(list(tmp_path.glob("omnilake-native-*/*.so"))) == 1
    assert not [path for path in tmp_path.glob("omnilake-native-*/*.so.*") if path.suffix != ".lock"]


def test_an_incomplete_unpacked_module_is_replaced(run_in_layers: RunInLayers, tmp_path: Path) -> None:
    run_in_layers("import lancedb", "vector")
    native = next(tmp_path.glob("omnilake-native-*/*.so"))
    native.write_bytes(b"cut short")
    run_in_layers("import lancedb", "vector")
    assert native.stat().st_size > 1_000_000


def test_a_directory_that_others_may_write_to_is_not_used(run_in_layers: RunInLayers, tmp_path: Path) -> None:
    import os

    foreign = tmp_path / f"omnilake-native-{os.getuid()}"
    foreign.mkdir()
    foreign.chmod(0o777)
    native = run_in_layers("import lancedb; print(lancedb._lancedb.__file__)", "vector").strip()
    assert Path(native).parent != foreign
    assert not list(foreign.iterdir())


def test_minilm_gives_unit_vectors_that_do_not_depend_on_the_batch(run_in_layers: RunInLayers) -> None:
    program = """
import json, hashlib, numpy as np, onnxruntime, tokenizers, omnilake_minilm as minilm
assert hashlib.sha256(open(minilm.MODEL_PATH, "rb").read()).hexdigest() == minilm.REVISION
tokenizer = tokenizers.Tokenizer.from_file(minilm.TOKENIZER_PATH)
tokenizer.enable_truncation(minilm.MAX_TOKENS); tokenizer.enable_padding(length=None)
session = onnxruntime.InferenceSession(minilm.MODEL_PATH, providers=["CPUExecutionProvider"])
def embed(texts):
    rows = tokenizer.encode_batch(texts)
    ids = np.array([row.ids for row in rows]); mask = np.array([row.attention_mask for row in rows])
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return session.run(["sentence_embedding"], inputs)[0]
texts = ["How is a task retried?", "The task is attempted again after a failure.", "Blue whales eat krill. " * 80]
batch = embed(texts)
alone = np.concatenate([embed([text]) for text in texts])
assert batch.shape == (3, minilm.DIMENSIONS)
print(json.dumps({
    "length": float(np.abs(np.linalg.norm(batch, axis=1) - 1).max()),
    "batch": float((batch * alone).sum(axis=1).min()),
    "alike": float(batch[0] @ batch[1]), "unlike": float(batch[0] @ batch[2]),
}))
"""
    measured = json.loads(run_in_layers(program, "models"))
    assert measured["length"] < 1e-5
    assert measured["batch"] >= 0.999999
    assert measured["alike"] > 0.4 > 0.2 > measured["unlike"]


def test_minilm_layer_carries_the_licence_of_the_model(layers: dict[str, Path]) -> None:
    package = layers["models"] / "python" / "omnilake_minilm"
    assert "Apache License" in (package / "LICENSE").read_text()
    assert "all-MiniLM-L6-v2" in (package / "NOTICE").read_text()


@pytest.mark.parametrize("name", ["core", "documents", "connectors", "vector", "models"])
def test_layers_have_bytecode_that_needs_no_time_stamp(layers: dict[str, Path], name: str) -> None:
    compiled = list((layers[name] / "python").rglob("*.pyc"))
    assert len(compiled) > 10
    for path in compiled:
        # PEP 552: bit 0 says hash-based, bit 1 that the source is checked.
        assert path.read_bytes()[4:8] == b"\x01\x00\x00\x00"
        assert f"cpython-{sys.version_info.major}{sys.version_info.minor}" in path.name


@pytest.mark.parametrize("name", ["core", "documents", "connectors", "vector", "models"])
def test_licences_travel_with_the_packages(layers: dict[str, Path], name: str) -> None:
    for metadata in (layers[name] / "python").glob("*.dist-info/METADATA"):
        declared = [
            line.removeprefix("License-File: ")
            for line in metadata.read_text(errors="replace").splitlines()
            if line.startswith("License-File: ")
        ]
        home = metadata.parent
        for licence in declared:
            assert (home / "licenses" / licence).is_file() or (home / licence).is_file(), f"{home.name}: {licence}"
