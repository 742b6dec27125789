"""Source code: definitions are the segments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import DocumentError
from omnilake.extraction import extract, open_document
from omnilake.extraction.source_code import GRAMMARS, _tools
from omnilake.models import ExtractedDocument, Processor, SegmentKind
from tests.unit.extraction.test_formats import assert_covered

PYTHON = '''"""Reads gauges."""

import os


# How often.
RATE = 6


@dataclass
class Gauge:
    """A gauge in the harbour."""

    name: str

    # Fresh ones only.
    @property
    def level(self) -> float:
        """Metres above zero."""
        return read(self.name)

    def close(self) -> None:
        pass


async def main() -> None:
    print("\u00e9")
'''


def parts(document: ExtractedDocument) -> list[tuple[str, str]]:
    """Section without the file's name, and first line, of each segment."""
    assert {s.kind for s in document.segments} == {SegmentKind.CODE}
    return [
        (s.section.partition(" > ")[2], document.text[s.start : s.end].split("\n")[0].strip())
        for s in document.segments
    ]


def test_definitions_stand_with_their_comments_below_their_path() -> None:
    document = extract(PYTHON.encode(), "src/tide.py")
    assert_covered(document)
    assert document.text == PYTHON
    assert (document.media_type, document.title, document.processor) == ("text/x-python", "src/tide.py", Processor.CODE)
    assert {s.section.partition(" > ")[0] for s in document.segments} == {"src/tide.py"}
    assert parts(document) == [
        ("", '"""Reads gauges."""'),
        ("Gauge", "@dataclass"),
        ("Gauge > level", "# Fresh ones only."),
        ("Gauge > close", "def close(self) -> None:"),
        ("main", "async def main() -> None:"),
    ]


@pytest.mark.parametrize(
    ("name", "source", "sections"),
    [
        (
            "a.js",
            "export class A {\n  m() { return 1; }\n}\n// f\nexport const f = async () => { x(); };\n",
            ["A", "A > m", "f"],
        ),
        (
            "a.ts",
            "namespace N { export function f() {} }\n@D()\nexport class A<T> { @I() m(): void {} }",
            ["N", "N > f", "A", "A > m"],
        ),
        (
            "a.tsx",
            "interface P { a: string }\nexport default function V() { return <p>x</p>; }",
            ["P", "V"],
        ),
        (
            "A.java",
            "/** Doc. */\n@S public class A {\n  int i;\n  // m\n  void m() {}\n  enum E { X }\n}",
            ["A", "A > m", "A > E"],
        ),
        (
            "a.go",
            "package a\n\n// T is.\ntype T struct { A int }\n\nfunc (t *T) M() {}\n\nfunc f() {}",
            ["", "T", "T > M", "f"],
        ),
        (
            "a.rs",
            "/// g\n#[derive(D)]\nstruct G { a: i32 }\nimpl G {\n  fn m(&self) {}\n}\nmod t { #[test] fn f() {} }",
            ["G", "G", "G > m", "t", "t > f"],
        ),
        (
            "a.c",
            "#include <x>\nstatic int *f(int a) { return 0; }\nenum e { A, B };\ntypedef struct { int i; } t;",
            ["", "f", "e", "t"],
        ),
        (
            "a.hpp",
            "namespace n {\n"
            "template <typename T>\n"
            "class C {\n"
            " public:\n"
            "  T& m() { return t; }\n"
            "};\n"
            "int C::k() { return 1; }\n"
            "}",
            ["n", "n > C", "n > C > m", "n > C::k"],
        ),
        (
            "a.h",
            "class C { int m() { return 1; } };",
            ["C", "C > m"],
        ),
        (
            "a.cs",
            "namespace N {\n  [S]\n  class C { public int P { get; set; }\n  int M() { return 1; } }\n}",
            ["N", "N > C", "N > C > P", "N > C > M"],
        ),
        (
            "a.rb",
            "module M\n  class C\n    # m\n    def m(a)\n      1\n    end\n    def self.k; end\n  end\nend",
            ["M", "M > C", "M > C > m", "M > C > k"],
        ),
        (
            "a.php",
            "<?php\nclass C {\n  /** m */\n  function m($a) { return 1; }\n}\nfunction f() {}",
            ["", "C", "C > m", "f"],
        ),
        (
            "run",
            "#!/bin/bash\nset -e\n\n# f\nf() { echo hi; }\nf",
            ["", "f", ""],
        ),
    ],
)
def test_every_language_shows_its_definitions(name: str, source: str, sections: list[str]) -> None:
    document = extract(source.encode(), name)
    assert_covered(document)
    assert [section for section, _ in parts(document)] == sections


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_every_grammar_loads_with_its_query(language: str) -> None:
    parser, query = _tools(GRAMMARS[language])
    assert parser.parse(b"").root_node is not None
    assert query.pattern_count >= 2


def test_methods_of_an_object_do_not_take_its_declaration_for_theirs() -> None:
    document = extract(b"const h = { a() { return 1; }, b() { return 2; } };\ninterface_();\n", "a.js")
    assert [section for section, _ in parts(document)] == ["", "a", "b", ""]


def test_a_long_function_is_cut_where_it_defines_others_and_a_short_one_is_not() -> None:
    inner = "    def inner(self):\n        return 1\n"
    long = "def outer():\n" + "    x = 1\n" * 300 + inner
    assert [section for section, _ in parts(extract(long.encode(), "a.py"))] == ["outer", "outer > inner"]
    assert [section for section, _ in parts(extract(("def outer():\n" + inner).encode(), "a.py"))] == ["outer"]


def test_code_with_errors_of_syntax_is_cut_at_empty_lines() -> None:
    block = "x = (1,\n" * 30
    document = extract(f"def f(:\n{block}\n\n{block}".encode(), "a.py")
    assert_covered(document)
    assert [section for section, _ in parts(document)] == ["", ""]


def test_a_language_without_a_grammar_is_cut_at_empty_lines() -> None:
    source = "select 1;\n" * 30 + "\n" + "select 2;\n" * 30
    document = extract(source.encode(), "q.sql")
    assert document.media_type == "text/x-sql"
    assert document.text == source
    assert len(parts(document)) == 2


@pytest.mark.parametrize(
    ("name", "source", "media_type"),
    [
        ("Dockerfile", "FROM x\n", "text/x-dockerfile"),
        ("lib/Makefile", "all:\n\ttrue\n", "text/x-make"),
        ("run", "#!/usr/bin/env python3.11\nx = 1\n", "text/x-python"),
        ("run.txt", "#!/usr/bin/env python\nx = 1\n", "text/plain"),
        ("a.yaml", "a: 1\n", "text/plain"),
    ],
)
def test_code_is_told_by_its_name_or_its_first_line(name: str, source: str, media_type: str) -> None:
    assert open_document(source.encode(), name).media_type == media_type


def test_code_can_be_read_as_prose_and_text_as_code() -> None:
    document = extract(PYTHON.encode(), "a.py", processor=Processor.PROSE)
    assert {s.kind for s in document.segments} == {SegmentKind.PARAGRAPH}
    assert document.media_type == "text/x-python"
    assert {s.kind for s in extract(b"x = 1\n", "a.txt", processor=Processor.CODE).segments} == {SegmentKind.CODE}


@pytest.mark.parametrize(
    "source", [b"(" * 300_000, b"{[" * 200_000, b"if x:\n" * 50_000, b"class A:\n def f():\n" * 20_000]
)
@pytest.mark.parametrize("name", ["a.py", "a.js"])
def test_nonsense_in_the_name_of_code_is_read_in_bounded_depth(source: bytes, name: str) -> None:
    assert_covered(extract(source + b" x", name))


tokens = st.sampled_from(
    ["class A", "def f():", "{", "}", "(", ")", ";", ":", "\n", "\n\n", "  ", "x = 1", "function f() ", "// c\n",
     "# c\n", "/* d */", "@d ", "export ", "\u00e9", "\U0001f980", "\"s\"", "const a = () => ", "impl X ",
     "fn f() ", "end"]
)  # fmt: skip


@settings(max_examples=400)
@given(
    pieces=st.lists(tokens, min_size=1, max_size=60),
    suffix=st.sampled_from(["py", "js", "ts", "go", "rs", "cpp", "rb", "cs"]),
)
def test_code_stays_as_it_is_and_every_character_is_in_a_segment(pieces: list[str], suffix: str) -> None:
    source = "".join(pieces)
    try:
        document = extract(source.encode(), f"a.{suffix}")
    except DocumentError:
        assert not source.strip() or not any(map(str.isprintable, source.strip()))
        return
    assert document.text == source
    assert_covered(document)
