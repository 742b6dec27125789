"""Source code by tree-sitter: definitions are the segments. The stored text is the source itself.

Each grammar is a wheel of its own and is loaded when a file of its language comes. Languages without a grammar, files
with errors of syntax, and files of more than 2 Mi characters (generated code) are cut at empty lines.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.structure import SpanRecorder, label
from omnilake.models import ExtractedDocument, SegmentKind

_MAX_PARSED_CHARACTERS = 2 * 1024 * 1024
_MAX_WHOLE_BYTES = 2_000
"""A function of more bytes that defines others is cut where they begin, as a class is."""
_MIN_BLOCK_CHARACTERS = 200
"""Shorter blocks between empty lines make one segment with the next."""
_MAX_TAIL_CHARACTERS = 8
"""What closes a class ("}", "end") belongs to the last definition in it."""
_MAX_ERROR_SHARE = 0.05
_MAX_ERROR_PARTS = 1_000
_MAX_NESTING = 20
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*?(?=[^\n])")
_CPLUSPLUS = re.compile(r"^[^\S\n]*(?:class|namespace|template|using)\b|^[^\S\n]*(?:public|private):", re.M)


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a language's definitions show in its tree (names are the grammar's node types).

    Attributes:
        module: of the wheel.
        containers: definitions that hold others: always cut where these begin.
        definitions: other definitions.
        wrappers: nodes around a definition that belong to it (decorators, ``export``).
        function: of the module, gives the language.
        patterns: more patterns of definitions in tree-sitter's query language, each with ``@definition``.
        comments: node types of comments and attributes that stand before what they describe.
    """

    module: str
    containers: tuple[str, ...]
    definitions: tuple[str, ...]
    wrappers: tuple[str, ...] = ()
    function: str = "language"
    patterns: str = ""
    comments: tuple[str, ...] = ("comment",)


_ARROW = "(variable_declarator value: [(arrow_function) (function_expression)]) @definition"
_SCRIPT_CONTAINERS = ("class_declaration", "class")
_SCRIPT_DEFINITIONS = ("function_declaration", "generator_function_declaration", "method_definition")
_SCRIPT_WRAPPERS = ("export_statement", "lexical_declaration", "variable_declaration")
_TYPED = ("interface_declaration", "type_alias_declaration", "enum_declaration", "function_signature")
_TYPESCRIPT = Grammar(
    "tree_sitter_typescript",
    (*_SCRIPT_CONTAINERS, "abstract_class_declaration", "internal_module", "module"),
    (*_SCRIPT_DEFINITIONS, *_TYPED),
    (*_SCRIPT_WRAPPERS, "ambient_declaration", "expression_statement"),
    function="language_typescript",
    patterns=_ARROW,
    comments=("comment", "decorator"),
)
_C_DEFINITIONS = ("function_definition", "type_definition")
_C_PATTERNS = " ".join(f"({kind}_specifier body: (_)) @definition" for kind in ("struct", "union", "enum"))

GRAMMARS: dict[str, Grammar] = {
    "python": Grammar("tree_sitter_python", ("class_definition",), ("function_definition",), ("decorated_definition",)),
    "javascript": Grammar(
        "tree_sitter_javascript", _SCRIPT_CONTAINERS, _SCRIPT_DEFINITIONS, _SCRIPT_WRAPPERS, patterns=_ARROW,
        comments=("comment", "decorator"),
    ),
    "typescript": _TYPESCRIPT,
    "tsx": replace(_TYPESCRIPT, function="language_tsx"),
    "java": Grammar(
        "tree_sitter_java",
        ("class_declaration", "interface_declaration", "enum_declaration", "record_declaration"),
        ("method_declaration", "constructor_declaration", "annotation_type_declaration"),
        comments=("line_comment", "block_comment"),
    ),
    "go": Grammar(
        "tree_sitter_go", (), ("function_declaration", "method_declaration", "type_spec"), ("type_declaration",)
    ),
    "rust": Grammar(
        "tree_sitter_rust",
        ("mod_item", "impl_item", "trait_item"),
        ("function_item", "struct_item", "enum_item", "union_item", "macro_definition", "type_item"),
        comments=("line_comment", "block_comment", "attribute_item"),
    ),
    "c": Grammar("tree_sitter_c", (), _C_DEFINITIONS, patterns=_C_PATTERNS),
    "cpp": Grammar(
        "tree_sitter_cpp",
        ("namespace_definition", "class_specifier"),
        (*_C_DEFINITIONS, "concept_definition", "alias_declaration"),
        ("template_declaration",),
        patterns=_C_PATTERNS,
    ),
    "csharp": Grammar(
        "tree_sitter_c_sharp",
        (
            "namespace_declaration", "class_declaration", "struct_declaration", "record_declaration",
            "interface_declaration",
        ),
        (
            "method_declaration", "constructor_declaration", "property_declaration", "enum_declaration",
            "delegate_declaration", "local_function_statement",
        ),
    ),
    "ruby": Grammar("tree_sitter_ruby", ("module", "class", "singleton_class"), ("method", "singleton_method")),
    "php": Grammar(
        "tree_sitter_php",
        (
            "namespace_definition", "class_declaration", "interface_declaration", "trait_declaration",
            "enum_declaration",
        ),
        ("function_definition", "method_declaration"),
        function="language_php",
    ),
    "bash": Grammar("tree_sitter_bash", (), ("function_definition",)),
}  # fmt: skip
"""Languages whose structure is read."""

_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "python": ("py", "pyi", "pyw"),
    "javascript": ("js", "mjs", "cjs", "jsx"),
    "typescript": ("ts", "mts", "cts"),
    "tsx": ("tsx",),
    "java": ("java",),
    "go": ("go",),
    "rust": ("rs",),
    "c": ("c", "h"),
    "cpp": ("cc", "cpp", "cxx", "hpp", "hh", "hxx", "ino"),
    "csharp": ("cs",),
    "ruby": ("rb", "rake", "gemspec"),
    "php": ("php",),
    "bash": ("sh", "bash", "zsh", "ksh"),
    # Without a grammar:
    "sql": ("sql", "ddl", "dml"),
    "kotlin": ("kt", "kts"),
    "swift": ("swift",),
    "scala": ("scala", "sc"),
    "groovy": ("groovy", "gradle"),
    "dart": ("dart",),
    "lua": ("lua",),
    "perl": ("pl", "pm"),
    "r": ("r",),
    "julia": ("jl",),
    "haskell": ("hs",),
    "elixir": ("ex", "exs"),
    "erlang": ("erl", "hrl"),
    "clojure": ("clj", "cljs", "edn"),
    "fsharp": ("fs", "fsx"),
    "ocaml": ("ml", "mli"),
    "visualbasic": ("vb", "vbs", "bas"),
    "objectivec": ("m", "mm"),
    "powershell": ("ps1", "psm1"),
    "batch": ("bat", "cmd"),
    "css": ("css", "scss", "sass", "less"),
    "vue": ("vue", "svelte"),
    "terraform": ("tf", "tfvars", "hcl"),
    "protobuf": ("proto",),
    "graphql": ("graphql", "gql"),
    "solidity": ("sol",),
    "zig": ("zig",),
    "nim": ("nim",),
    "fortran": ("f90", "f95", "f03"),
    "assembly": ("asm",),
    "cmake": ("cmake",),
    "make": ("mk",),
}
_LANGUAGE_OF = {suffix: language for language, suffixes in _EXTENSIONS.items() for suffix in suffixes}
_NAMES = {
    "dockerfile": "dockerfile", "containerfile": "dockerfile", "makefile": "make", "gnumakefile": "make",
    "cmakelists.txt": "cmake", "jenkinsfile": "groovy", "rakefile": "ruby", "gemfile": "ruby", "vagrantfile": "ruby",
}  # fmt: skip
_SHEBANG = re.compile(rb"#![^\n]{0,100}?\b(?P<program>python|node|deno|ruby|php|bash|zsh|ksh|sh|perl)[\d.]*\b")
_PROGRAMS = {"node": "javascript", "deno": "typescript", "zsh": "bash", "ksh": "bash", "sh": "bash"}


def language_of(name: str, data: bytes) -> str | None:
    """Programming language of a text: by its name, or without an extension by its first line; None when it is none."""
    path = PurePosixPath(name.replace("\\", "/").lower())
    if path.name in _NAMES:
        return _NAMES[path.name]
    if path.suffix:
        return _LANGUAGE_OF.get(path.suffix[1:])
    program = _SHEBANG.match(data[:128])
    return _PROGRAMS.get(told := program["program"].decode(), told) if program else None


def media_type_of(language: str) -> str:
    """``text/x-python`` and so on: what rules match."""
    return f"text/x-{language}"


@dataclass(slots=True)
class _Definition:
    """A definition by its bytes; ``inner`` are those that it holds."""

    start: int
    end: int
    name: str
    container: bool
    inner: list[_Definition] = field(default_factory=list)


def read_code(text: str, name: str, language: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a normalised source file: definitions with the comments above them, and the code between them.

    Each segment's section is the file's path and the names it lies in: ``src/tide.py > Gauge > read``.

    Args:
        name: path of the file; also the title.
        language: one of ``language_of``.
    Raises:
        NoTextFound, DocumentTooLarge: see ``extract``.
    """
    if language == "c" and name.lower().endswith(".h") and _CPLUSPLUS.search(text):
        language = "cpp"
    recorder = SpanRecorder(text, limits)
    path = label(name) or "source"
    grammar = GRAMMARS.get(language)
    definitions: list[_Definition] | None = None
    if grammar is not None and len(text) <= _MAX_PARSED_CHARACTERS:
        data = text.encode()
        with parser_call("source file", corrupt=(ValueError, RecursionError)):
            definitions = _definitions(data, grammar)
        if definitions:
            _to_characters(definitions, text, data)
    _record(recorder, 0, len(text), definitions or [], (path,))
    return recorder.finish(media_type_of(language), path)


def _record(recorder: SpanRecorder, start: int, end: int, inner: Sequence[_Definition], path: tuple[str, ...]) -> None:
    """Cover a span: what lies between its definitions, and each of these, cut where others begin if it holds some."""
    position = start
    for definition in inner:
        _record_blocks(recorder, position, definition.start, path)
        within = (*path, definition.name) if definition.name else path
        if definition.inner and len(path) < _MAX_NESTING:
            _record(recorder, definition.start, definition.end, definition.inner, within)
        else:
            recorder.add(definition.start, definition.end, SegmentKind.CODE, section=" > ".join(within))
        position = max(position, definition.end)
    if len(path) > 1 and inner and len(recorder.text[position:end].strip()) <= _MAX_TAIL_CHARACTERS:
        recorder.extend(end)
    else:
        _record_blocks(recorder, position, end, path)


def _record_blocks(recorder: SpanRecorder, start: int, end: int, path: tuple[str, ...]) -> None:
    """Record code between empty lines as blocks; brackets alone are left to the segment before them."""
    section, text = " > ".join(path), recorder.text
    for gap in _BLANK_LINES.finditer(text, start, end):
        if gap.start() - start >= _MIN_BLOCK_CHARACTERS:
            recorder.add(start, gap.start(), SegmentKind.CODE, section=section)
            start = gap.end()
    if any(map(str.isalnum, text[start:end])):
        recorder.add(start, end, SegmentKind.CODE, section=section)


@cache
def _tools(grammar: Grammar) -> tuple[Any, Any]:
    """Parser of a language, and the query that finds definitions and comments in its trees."""
    from tree_sitter import Language, Parser, Query

    language = Language(getattr(import_module(grammar.module), grammar.function)())
    patterns = [
        *(f"({node}) @container" for node in grammar.containers),
        *(f"({node}) @definition" for node in grammar.definitions),
        *(f"({node}) @wrapper" for node in grammar.wrappers),
        *(f"({node}) @comment" for node in grammar.comments),
        grammar.patterns,
    ]
    return Parser(language), Query(language, "\n".join(patterns))


def _definitions(data: bytes, grammar: Grammar) -> list[_Definition] | None:
    """Definitions of the outermost level with those in them; None when the source has errors of syntax.

    Preprocessors and dialects leave small errors in many good files, so a few bytes of them are forgiven.
    """
    from tree_sitter import QueryCursor

    parser, query = _tools(grammar)
    root = parser.parse(data).root_node
    if _error_bytes(root) > _MAX_ERROR_SHARE * len(data):
        return None
    found: dict[str, list[Any]] = QueryCursor(query).captures(root)
    comments = sorted((node.start_byte, node.end_byte) for node in found.get("comment", []))
    nodes = [
        (node.start_byte, -node.end_byte, order, node)
        for order, kind in enumerate(("wrapper", "container", "definition"))
        for node in {each.id: each for each in found.get(kind, [])}.values()
    ]
    nodes.sort(key=lambda entry: entry[:3])
    top: list[_Definition] = []
    open_definitions: list[_Definition] = []
    open_wrappers: list[tuple[int, int]] = []
    for start, minus_end, order, node in nodes:
        end = -minus_end
        if order == 0:
            open_wrappers.append((start, end))
            continue
        while open_definitions and open_definitions[-1].end <= start:
            open_definitions.pop()
        while open_wrappers and open_wrappers[-1][1] <= start:
            open_wrappers.pop()
        outer = open_definitions[-1].start + 1 if open_definitions else 0
        # Wrappers that end with the definition, and stand in what holds it, are its own: decorators, export, const f =.
        while (
            open_wrappers
            and outer <= open_wrappers[-1][0]
            and end <= open_wrappers[-1][1]
            and not data[end : open_wrappers[-1][1]].strip(b"; \n")
        ):
            start, end = open_wrappers.pop()
        definition = _Definition(_with_comments(data, start, comments), end, _name(node), container=order == 1)
        if open_definitions and definition.end > open_definitions[-1].end:
            continue
        (open_definitions[-1].inner if open_definitions else top).append(definition)
        open_definitions.append(definition)
    return list(_pruned(top))


def _pruned(definitions: Iterable[_Definition]) -> Iterator[_Definition]:
    """The same, without what is defined inside short functions: those stay whole. Iterative in depth."""
    kept = list(definitions)
    stack = [kept]
    while stack:
        for definition in stack.pop():
            if not definition.container and definition.end - definition.start <= _MAX_WHOLE_BYTES:
                definition.inner = []
            elif definition.inner:
                stack.append(definition.inner)
    yield from kept


def _error_bytes(root: Any) -> float:
    """Bytes of the tree's errors; infinite when something is missing that closes what was opened, or when one error
    has so many parts that the query, whose time grows with their square, would not end."""
    found = 0
    cursor = root.walk()
    while True:
        node = cursor.node
        if node.is_missing or (node.is_error and node.child_count > _MAX_ERROR_PARTS):
            return math.inf
        if node.is_error:
            found += node.end_byte - node.start_byte
        elif node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found


def _with_comments(data: bytes, start: int, comments: Sequence[tuple[int, int]]) -> int:
    """Start of the comments that stand, line under line, right above a definition; else the definition's own."""
    number = bisect_right(comments, (start, 0)) - 1
    while number >= 0:
        comment_start, comment_end = comments[number]
        between = data[comment_end:start]
        line_start = data.rfind(b"\n", 0, comment_start) + 1
        # Some grammars count the line end to the comment. A comment behind code belongs to that code.
        if comment_end > start or between.strip() or between.count(b"\n") > 1 or data[line_start:comment_start].strip():
            break
        start, number = comment_start, number - 1
    return start


def _name(node: Any) -> str:
    """Name of a definition; a method of Go or an implementation of Rust carries its type."""
    named = node.child_by_field_name("name")
    if named is None and node.type == "impl_item":
        named = node.child_by_field_name("type")
    if named is None:
        # C and C++ keep the name at the end of a chain of declarators.
        declarator = node.child_by_field_name("declarator")
        while declarator is not None:
            named = declarator
            declarator = named.child_by_field_name("declarator")
            if declarator is None and named.type == "reference_declarator":  # has no field for it
                declarator = named.named_children[-1] if named.named_children else None
    words = label(named.text.decode("utf-8", "replace")) if named is not None and named.text else ""
    if node.type == "method_declaration" and (receiver := node.child_by_field_name("receiver")) is not None:
        kind = re.sub(r"^\(\s*(?:\w+\s+)?|\)$", "", receiver.text.decode("utf-8", "replace"))
        words = f"{label(kind).lstrip('*')} > {words}" if kind else words
    return words


def _to_characters(definitions: list[_Definition], text: str, data: bytes) -> None:
    """Turn offsets in bytes into offsets in characters, all in one pass."""
    if len(text) == len(data):
        return
    everything: list[_Definition] = []
    stack = [definitions]
    while stack:
        level = stack.pop()
        everything += level
        stack += [definition.inner for definition in level if definition.inner]
    places = sorted({place for each in everything for place in (each.start, each.end)})
    characters: dict[int, int] = {}
    previous = count = 0
    for place in places:
        count += len(data[previous:place].decode())
        characters[place], previous = count, place
    for definition in everything:
        definition.start, definition.end = characters[definition.start], characters[definition.end]
