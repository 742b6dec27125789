"""The builder's own rules: targets, locks, native libraries, cache."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from layer_builder import cache, layers, native, packages, uv
from layer_builder.errors import LayerBuildError
from layer_builder.targets import Target

ROOT = Path(__file__).resolve().parents[2]


def test_target_is_lambda_on_arm64_unless_the_environment_says_otherwise() -> None:
    assert Target.from_environment({}) == Target("3.13", "aarch64-manylinux_2_28")
    assert Target.from_environment({}).architecture == "arm64"
    named = Target.from_environment({"OMNILAKE_PYTHON_VERSION": "3.12", "OMNILAKE_PLATFORM": "x86_64-manylinux_2_28"})
    assert (named.python_version, named.architecture) == ("3.12", "x86_64")
    assert Target("3.12", "aarch64-apple-darwin").architecture == "arm64"


@pytest.mark.parametrize(("version", "platform"), [("3", ""), ("3.13.1", ""), ("", "linux/arm64"), ("", "arm64")])
def test_a_malformed_target_is_refused(version: str, platform: str) -> None:
    with pytest.raises(LayerBuildError):
        Target.from_environment({"OMNILAKE_PYTHON_VERSION": version, "OMNILAKE_PLATFORM": platform})


def test_a_missing_uv_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(uv.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(uv, "_PROJECT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)
    uv.command.cache_clear()
    try:
        with pytest.raises(LayerBuildError, match="make setup"):
            uv.command()
    finally:
        uv.command.cache_clear()


def pins(requirements: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", requirements.read_text(), flags=re.MULTILINE))


def test_layers_that_meet_in_one_function_pin_the_same_versions() -> None:
    # Lambda unpacks all layers of a function into one directory: the later one's files go over the earlier one's.
    core = pins(layers.CORE.requirements)
    for other in (layers.DOCUMENTS, layers.VECTOR, layers.MODELS):
        shared = {name: version for name, version in pins(other.requirements).items() if name in core}
        assert shared == {name: core[name] for name in shared}


@pytest.mark.parametrize("layer", layers.ALL.values(), ids=layers.ALL)
def test_locks_pin_every_package_by_hash_and_none_that_the_runtime_has(layer: layers.Layer) -> None:
    for requirements in layer.home.glob("requirements*.txt"):
        entries = re.split(r"\n(?=\S)", requirements.read_text().strip())
        assert entries
        assert all("--hash=sha256:" in entry for entry in entries), requirements
    assert not set(pins(layer.requirements)) & set(packages.IN_EVERY_RUNTIME)


def test_the_lock_holds_what_its_source_asks_for() -> None:
    for layer in layers.ALL.values():
        for source in layer.home.glob("requirements*.in"):
            wanted = dict(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)", source.read_text(), flags=re.MULTILINE))
            locked = pins(source.with_suffix(".txt"))
            assert wanted
            assert wanted == {name: locked.get(name) for name in wanted}


def test_stripping_a_library_keeps_all_that_the_loader_maps(layers: dict[str, Path], tmp_path: Path) -> None:
    library = next((layers["core"] / "python" / "pydantic_core").glob("*.so"))
    once = native.stripped(library.read_bytes())
    assert native.stripped(once) == once
    grown = library.read_bytes() + b"debug information" * 1000
    assert native.stripped(grown) == once
    assert len(once) <= library.stat().st_size


def test_stripping_leaves_other_formats_alone(tmp_path: Path) -> None:
    (tmp_path / "mach.so").write_bytes(b"\xcf\xfa\xed\xfe and more")
    native.strip_tree(tmp_path)
    assert (tmp_path / "mach.so").read_bytes() == b"\xcf\xfa\xed\xfe and more"


def test_a_build_that_fails_leaves_no_cached_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMNILAKE_CACHE_DIR", str(tmp_path))

    def fail(draft: Path) -> None:
        (draft / "half").touch()
        raise LayerBuildError("no wheel")

    with pytest.raises(LayerBuildError):
        cache.directory("layer", "a" * 64, fail)
    assert not list((tmp_path / "layer").iterdir())
    made = cache.directory("layer", "a" * 64, lambda draft: (draft / "whole").touch())
    assert [path.name for path in made.iterdir()] == ["whole"]
    assert cache.directory("layer", "a" * 64, fail) == made


def test_the_cache_keeps_only_the_latest_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMNILAKE_CACHE_DIR", str(tmp_path))
    for number in range(cache.KEPT_RESULTS + 3):
        cache.directory("layer", f"{number:064}"[::-1], lambda draft: None)
    assert len(list((tmp_path / "layer").iterdir())) == cache.KEPT_RESULTS


def test_a_file_that_is_not_the_one_checked_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"others")
    with pytest.raises(LayerBuildError, match="SHA-256"):
        layers._check(tmp_path / "weights", "0" * 64)


def test_makefiles_work_from_a_path_with_spaces(tmp_path: Path) -> None:
    place = tmp_path / "a project" / "layers"
    shutil.copytree(ROOT / "layers" / "layer_builder", place / "layer_builder")
    (place / "core").mkdir()
    shutil.copy(ROOT / "layers" / "core" / "Makefile", place / "core" / "Makefile")
    makefile = place / "core" / "Makefile"
    command = ["make", "--makefile", str(makefile), "build-CoreLayer", f"OMNILAKE_BUILD_PYTHON={sys.executable}"]
    environ = {"PATH": "/usr/bin:/bin", "OMNILAKE_PLATFORM": "nowhere", "ARTIFACTS_DIR": str(tmp_path / "out")}
    done = subprocess.run(command, cwd=tmp_path, env=environ, text=True, capture_output=True, check=False)
    assert done.returncode != 0
    assert "OMNILAKE_PLATFORM is 'nowhere'" in done.stderr
