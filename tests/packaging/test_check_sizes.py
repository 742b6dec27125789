"""The size check fails on what Lambda would refuse, and only on that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import check_sizes

TEMPLATE = """
Globals:
  Function:
    CodeUri: code
    Layers: [!Ref CoreLayer]
Resources:
  CoreLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: CoreLayer}
  VectorLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: VectorLayer}
  Search:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code
      Layers:
      - Ref: VectorLayer
  Register:
    Type: AWS::Serverless::Function
    Properties: {Handler: register.handler}
  Bucket:
    Type: AWS::S3::Bucket
"""


def any_build(home: Path, vector_bytes: int = 1000, platforms: tuple[str, str] = ("aarch64-x", "aarch64-x")) -> Path:
    for name, size, platform in (("core", 300, platforms[0]), ("vector", vector_bytes, platforms[1])):
        layer = home / f"{name.title()}Layer"
        (layer / "python").mkdir(parents=True)
        with (layer / "python" / "data").open("wb") as file:
            file.truncate(size)  # sparse: counts in full, takes no disk
        facts = {"python_version": "3.13", "platform": platform}
        (layer / f"omnilake-layer-{name}.json").write_text(json.dumps(facts))
    (home / "code").mkdir()
    (home / "code" / "register.py").write_bytes(b"#" * 50)
    (home / "template.yaml").write_text(TEMPLATE)
    return home / "template.yaml"


def test_a_functions_size_is_its_code_and_all_its_layers(tmp_path: Path) -> None:
    record = len(json.dumps({"python_version": "3.13", "platform": "aarch64-x"}))
    sizes = check_sizes.function_sizes(any_build(tmp_path))
    assert [(size.function, size.total) for size in sizes] == [
        ("Search", 50 + 300 + 1000 + 2 * record),
        ("Register", 50 + 300 + record),
    ]


def test_a_function_over_the_limit_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = any_build(tmp_path, vector_bytes=check_sizes.LIMIT_BYTES)
    assert check_sizes.main([str(template)]) == 1
    printed = capsys.readouterr()
    assert "Search is 262,144," in printed.err
    assert "Register is" not in printed.err
    assert "100.0%" in printed.out


def test_functions_that_fit_pass_the_check(tmp_path: Path) -> None:
    assert check_sizes.main([str(any_build(tmp_path)), "--architecture", "arm64", "--python", "3.13"]) == 0


@pytest.mark.parametrize("wanted", [["--architecture", "x86_64"], ["--python", "3.12"]])
def test_layers_built_for_another_target_fail_the_check(tmp_path: Path, wanted: list[str]) -> None:
    assert check_sizes.main([str(any_build(tmp_path)), *wanted]) == 1


def test_layers_built_for_different_targets_fail_the_check(tmp_path: Path) -> None:
    assert check_sizes.main([str(any_build(tmp_path, platforms=("aarch64-x", "x86_64-x")))]) == 1


def test_a_missing_build_is_no_pass(tmp_path: Path) -> None:
    assert check_sizes.main([str(tmp_path / "template.yaml")]) == 2
    template = any_build(tmp_path)
    (tmp_path / "template.yaml").write_text(TEMPLATE.replace("ContentUri: CoreLayer", "ContentUri: Gone"))
    assert check_sizes.main([str(template)]) == 2
