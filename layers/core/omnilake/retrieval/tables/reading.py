"""A question, read against one table: its words are looked up among the names and values of the columns.

English questions, by fixed rules. What the rules do not take in is left unanswered: a figure or a date that no column
takes, an aggregate without a column, a negation of something else than a value, or too many words that mean nothing to
the table give no query. What a query leaves out can be seen: every result tells the conditions it was computed under.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from omnilake.generation import words
from omnilake.models import FilterOperator
from omnilake.retrieval.tables.columns import Column, ColumnType, Table, figure, words_of
from omnilake.retrieval.tables.queries import Aggregate, Condition, Query

MIN_EXPLAINED = 0.6
"""Least share of a question's words that must mean something to the table."""

_MAX_DISTINCT = 5_000
"""Different values of a column that are looked for; a column with more is only found by its name."""
_MAX_VALUE_WORDS = 8
_REACH = 3
"""Words between a cue and the column that it is about."""

_CUES: tuple[tuple[Aggregate, str], ...] = (
    (Aggregate.COUNT, r"(?:total )?number of|how many|count of|count"),
    (Aggregate.AVERAGE, r"on average|average|mean|avg"),
    (Aggregate.SUM, r"in total|total|sum of|sum|altogether|combined|in all"),
    (Aggregate.MINIMUM, r"minimum|min|lowest|smallest|least|fewest|shortest|earliest|oldest"),
    (Aggregate.MAXIMUM, r"maximum|max|highest|largest|biggest|greatest|longest|most|latest|newest"),
)
_CUE = re.compile("|".join(rf"(?P<{each.name}>(?<!\bat )\b(?:{cue})\b)" for each, cue in _CUES), re.I)
_OF_DATES = frozenset({"earliest", "oldest", "latest", "newest"})
_OF_AMOUNTS = frozenset({"most", "least", "fewest"})
_GROUP = re.compile(
    r"(?<!sorted )(?<!ordered )\b(?:per|by|(?:for|in|of) (?:each|every)|each|every|grouped by|broken down by)\s+"
    r"(?:the |different )?",
    re.I,
)
_WHICH = re.compile(r"\b(?:which|what|whose)\s+", re.I)
_NEGATIONS = frozenset(
    {"not", "no", "non", "never", "except", "excluding", "excepting", "without", "other", "nor", "t"}
)
"""Each must turn a value round that follows it, or the question is not understood; "t" is what "isn't" ends with."""
_NEGATION_REACH = 4
_GENERIC = frozenset(
    """
    all also any are data different distinct do each entry every figure find get give have item list me name overall
    per please record row sheet show table tell unique value value with
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_NO_VALUES = frozenset(
    {"all", "any", "average", "count", "how", "many", "mean", "most", "none", "sum", "total", "which"}
)

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_DATES = (
    re.compile(r"\b(?P<iso>\d{4}-\d{2}(?:-\d{2})?)\b"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)? {_MONTH},? (?P<year>(?:19|20)\d{{2}})\b", re.I),
    re.compile(rf"\b{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>(?:19|20)\d{{2}})\b", re.I),
    re.compile(rf"\b{_MONTH},? (?P<year>(?:19|20)\d{{2}})\b", re.I),
    re.compile(
        r"(?<=\b)(?:(?<=in )|(?<=since )|(?<=after )|(?<=before )|(?<=until )|(?<=during )|(?<=from )|(?<=for )"
        r"|(?<=between )|(?<=of )|(?<=year ))(?P<year>(?:19|20)\d{2})\b(?![.,]\d)",
        re.I,
    ),
    re.compile(r"(?<=\d{4} and )(?P<year>(?:19|20)\d{2})\b(?![.,]\d)", re.I),
)
_NUMBER = re.compile(r"(?<![\w.,-])[-+]?[$€£]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|[.,-]\d|-\w)")

_BEFORE: tuple[tuple[FilterOperator, str], ...] = (
    (FilterOperator.GE, r"at least|no less than|not less than|no fewer than|since|from|starting|>="),
    (FilterOperator.LE, r"at most|up to|no more than|not more than|until|till|through|<="),
    (FilterOperator.GT, r"(?:more|greater|higher|larger|longer|bigger|later) than|over|above|exceed(?:s|ing)?|after|>"),
    (FilterOperator.LT, r"(?:less|fewer|lower|smaller|shorter|earlier) than|under|below|before|prior to|<"),
    (FilterOperator.EQ, r"equal to|equals|exactly|=|on|in|during|of|for|is|was|are"),
)
_COMPARATOR = re.compile(
    "(?:"
    + "|".join(rf"(?P<{each.name}>(?<!\w)(?:{told}))" for each, told in _BEFORE)
    + r")\s*(?:the (?:year )?|year )?$",
    re.I,
)
_OR_MORE = re.compile(r"\s*%?\s*(?:or|and) (?:more|higher|above|later|over|longer)\b", re.I)
_OR_LESS = re.compile(r"\s*%?\s*(?:or|and) (?:less|fewer|lower|below|earlier|under|shorter)\b", re.I)
_BETWEEN = re.compile(r"\bbetween\s+(?:the )?$", re.I)
_AND = re.compile(r"\s*(?:and|to)\s*", re.I)


@dataclass(frozen=True)
class Reading:
    """What a question comes to for one table.

    Attributes:
        query: to be computed.
        explained: share of the question's words that mean something to the table, 0 to 1.
    """

    query: Query
    explained: float


def read_question(question: str, table: Table, conditions: Sequence[Condition] = ()) -> Reading | None:
    """The query that a question is to a table, None when it is none that the rules take in.

    Args:
        question: any text.
        table: with its values.
        conditions: further ones that rows must meet; with any, a question that is not understood asks for the rows.
    """
    reader = _Reader(question, table)
    found = reader.read()
    if found is None:
        return Reading(Query(Aggregate.ROWS, conditions=tuple(conditions)), 0.0) if conditions else None
    query = found.query
    return Reading(
        Query(query.aggregate, query.column, (*query.conditions, *conditions), query.group_by, query.extreme),
        found.explained,
    )


@dataclass
class _Token:
    word: str
    start: int
    end: int
    used: bool = False

    @property
    def stem(self) -> str:
        return _stem(self.word)


@dataclass(frozen=True)
class _Mention:
    """Words ``[first, last)`` of the question that name a column, or stand in cells of columns."""

    first: int
    last: int
    columns: tuple[str, ...]
    value: str = ""


@dataclass(frozen=True)
class _Cue:
    aggregate: Aggregate
    word: str
    first: int
    last: int


@dataclass(frozen=True)
class _Literal:
    """A figure or a date of the question, with where it stands in it, and where what compares it begins."""

    start: int
    end: int
    value: Decimal | str
    operator: FilterOperator | None = None
    opens: int = 0


@dataclass
class _Reader:
    question: str
    table: Table
    tokens: list[_Token] = field(init=False)
    columns: dict[str, Column] = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = [
            _Token(match[0].casefold(), match.start(), match.end()) for match in re.finditer(r"[^\W_]+", self.question)
        ]
        self.columns = {column.name: column for column in self.table.columns}

    def read(self) -> Reading | None:
        named = self._named_columns()
        values = self._values(named)
        named = [each for each in named if not any(_overlap(each, value) for value in values)]
        cues = self._cues(values, named)
        literals = self._literals(values)
        group_by, which = self._grouping(named)
        compared = self._compared(literals, named)
        if compared is None:
            return None
        bound = {name for condition in compared for name in condition.columns}
        conditions = [*self._equalities(values, named), *compared, *self._flags(named, group_by)]
        if any(token.word in _NEGATIONS and not token.used for token in self.tokens):
            return None
        query = self._query(cues, named, conditions, bound, group_by, which)
        if query is None:
            return None
        explained = self._explained()
        return Reading(query, explained) if explained >= MIN_EXPLAINED else None

    # --- words ----------------------------------------------------------------------------------------------------

    def _named_columns(self) -> list[_Mention]:
        """Columns that are named, the longest names first looked for; of a name a part does, when it is of one only."""
        stems = [token.stem for token in self.tokens]
        names = {column.name: [_stem(word) for word in column.words] for column in self.table.columns}
        longest = max((len(name) for name in names.values()), default=0)
        found: list[_Mention] = []
        at = 0
        while at < len(stems):
            mention = next(
                filter(None, (self._column_at(at, size, stems, names) for size in range(longest, 0, -1))), None
            )
            if mention is not None:
                found.append(mention)
            at = mention.last if mention is not None else at + 1
        return found

    def _column_at(self, at: int, size: int, stems: list[str], names: dict[str, list[str]]) -> _Mention | None:
        run = stems[at : at + size]
        if len(run) < size:
            return None
        whole = [name for name, told in names.items() if told == run]
        if not whole and (not any(words.terms(word) for word in run) or _is_cue(" ".join(self._said(at, size)))):
            return None
        part = [name for name, told in names.items() if _within(run, told)]
        for holders in (whole, part):
            if len(holders) == 1:
                return _Mention(at, at + size, (holders[0],))
        return None

    def _said(self, at: int, size: int) -> list[str]:
        return [token.word for token in self.tokens[at : at + size]]

    def _values(self, named: Sequence[_Mention]) -> list[_Mention]:
        """Values that stand in cells of text, the longest first; a column's whole name goes before a value."""
        phrases: dict[tuple[str, ...], dict[str, str]] = {}
        for column in self.table.columns:
            for cell in _distinct(column):
                key = tuple(_stem(word) for word in words_of(cell))
                if _is_value(key, cell):
                    phrases.setdefault(key, {}).setdefault(column.name, cell)
        longest = max((len(key) for key in phrases), default=0)
        stems = [token.stem for token in self.tokens]
        found: list[_Mention] = []
        at = 0
        while at < len(stems):
            most = min(longest, len(stems) - at)
            size = next((size for size in range(most, 0, -1) if tuple(stems[at : at + size]) in phrases), 0)
            mention = None
            if size:
                held = phrases[tuple(stems[at : at + size])]
                mention = _Mention(at, at + size, tuple(held), next(iter(held.values())))
                if any(_overlap(each, mention) and self._is_stronger(each, mention) for each in named):
                    mention = None
            if mention is not None:
                found.append(mention)
                self._use(mention.first, mention.last)
            at = mention.last if mention is not None else at + 1
        return found

    def _is_stronger(self, named: _Mention, value: _Mention) -> bool:
        whole = named.last - named.first == len(self.columns[named.columns[0]].words)
        return whole and named.last - named.first >= value.last - value.first

    def _cues(self, values: Sequence[_Mention], named: Sequence[_Mention]) -> list[_Cue]:
        found = []
        for match in _CUE.finditer(self.question):
            first, last = self._tokens_in(match.start(), match.end())
            if any(first < each.last and each.first < last for each in values):
                continue
            found.append(_Cue(Aggregate[match.lastgroup or ""], match[0].casefold(), first, last))
        alone = [cue for cue in found if not any(cue.first < each.last and each.first < cue.last for each in named)]
        cues = alone or found
        for cue in cues:
            self._use(cue.first, cue.last)
        return cues

    def _grouping(self, named: Sequence[_Mention]) -> tuple[str, str]:
        """Columns that make groups: "per region"; and "which region", which makes them only beside an extreme."""
        by_first = {each.first: each for each in named}
        group_by = which = ""
        for pattern in (_GROUP, _WHICH):
            for match in pattern.finditer(self.question):
                mention = by_first.get(self._tokens_in(match.end(), len(self.question))[0])
                if mention is None:
                    continue
                self._use(*self._tokens_in(match.start(), match.end()))
                self._use(mention.first, mention.last)
                if pattern is _GROUP:
                    group_by = group_by or mention.columns[0]
                else:
                    which = which or mention.columns[0]
        return group_by, which

    # --- figures and dates ----------------------------------------------------------------------------------------

    def _literals(self, values: Sequence[_Mention]) -> list[_Literal]:
        taken = [(self.tokens[each.first].start, self.tokens[each.last - 1].end) for each in values]
        found: list[_Literal] = []
        dated = any(column.type is ColumnType.DATE or "year" in column.words for column in self.table.columns)
        patterns = (*(_DATES if dated else ()), _NUMBER)
        for pattern in patterns:
            for match in pattern.finditer(self.question):
                if any(match.start() < end and start < match.end() for start, end in taken):
                    continue
                value = _number(match[0]) if pattern is _NUMBER else _date(match.groupdict())
                if value is not None:
                    taken.append(match.span())
                    found.append(_Literal(match.start(), match.end(), value))
        return self._with_operators(sorted(found, key=lambda each: each.start))

    def _with_operators(self, found: list[_Literal]) -> list[_Literal]:
        told: list[_Literal] = []
        for number, each in enumerate(found):
            operator, opens = self._operator(each)
            if told and told[-1].operator is FilterOperator.GE and self._is_between(found[number - 1], each):
                operator = FilterOperator.LE
            told.append(_Literal(each.start, each.end, each.value, operator, opens))
        return told

    def _operator(self, literal: _Literal) -> tuple[FilterOperator | None, int]:
        head, tail = self.question[: literal.start], self.question[literal.end :]
        if between := _BETWEEN.search(head):
            return FilterOperator.GE, between.start()
        match = _COMPARATOR.search(head)
        opens = match.start() if match else literal.start
        if _OR_MORE.match(tail):
            return FilterOperator.GE, opens
        if _OR_LESS.match(tail):
            return FilterOperator.LE, opens
        return (FilterOperator[match.lastgroup], opens) if match and match.lastgroup else (None, opens)

    def _is_between(self, low: _Literal, high: _Literal) -> bool:
        opened = _BETWEEN.search(self.question[: low.start]) is not None
        return opened and _AND.fullmatch(self.question[low.end : high.start]) is not None

    def _compared(self, literals: Sequence[_Literal], named: Sequence[_Mention]) -> list[Condition] | None:
        """Conditions of all figures and dates; None when one of them belongs to no column."""
        conditions: list[Condition] = []
        for number, literal in enumerate(literals):
            column = self._column_for(literal, named)
            if column is None and number and literal.operator is FilterOperator.LE and conditions:
                column = self.columns[conditions[-1].columns[0]]  # the other end of "between"
            if column is None:
                return None
            value: Decimal | str = literal.value
            if isinstance(value, str) and column.type is ColumnType.NUMBER:
                value = Decimal(value)
            conditions.append(Condition((column.name,), literal.operator or FilterOperator.EQ, (value,)))
            self._use(*self._tokens_in(literal.opens, literal.end))
        return conditions

    def _column_for(self, literal: _Literal, named: Sequence[_Mention]) -> Column | None:
        first, last = self._tokens_in(literal.start, literal.end)
        if isinstance(literal.value, str):
            fitting = [each for each in self.table.columns if _takes_date(each, literal.value)]
            mentioned = [each for each in named if self.columns[each.columns[0]] in fitting]
            if mentioned:
                nearest = min(mentioned, key=lambda each: min(abs(each.last - first), abs(each.first - last)))
                self._use(nearest.first, nearest.last)
                return self.columns[nearest.columns[0]]
            return fitting[0] if len(fitting) == 1 else None
        for mention in named:
            column = self.columns[mention.columns[0]]
            if column.type is not ColumnType.NUMBER:
                continue
            before = mention.last <= first and all(self._is_link(at) for at in range(mention.last, first))
            after = mention.first == last and literal.operator is not None
            if before or after:
                self._use(mention.first, first if before else mention.last)
                return column
        numbers = [column for column in self.table.columns if column.type is ColumnType.NUMBER]
        closed = last >= len(self.tokens) or not words.terms(self.tokens[last].word)
        compared = literal.operator not in {None, FilterOperator.EQ}
        return numbers[0] if len(numbers) == 1 and closed and compared else None

    def _is_link(self, at: int) -> bool:
        """Whether a word only links a column with the figure after it: "cost is more than"."""
        word = self.tokens[at].word
        return not words.terms(word) or _is_link_word(word)

    # --- conditions -----------------------------------------------------------------------------------------------

    def _equalities(self, values: Sequence[_Mention], named: Sequence[_Mention]) -> Iterator[Condition]:
        wanted: dict[tuple[tuple[str, ...], bool], list[str]] = {}
        for value in values:
            columns = value.columns
            beside = [each for each in named if value.last == each.first or each.last == value.first]
            told = [each.columns[0] for each in beside if each.columns[0] in columns]
            if told:
                columns = (told[0],)
            for each in beside:
                if each.columns[0] in columns:
                    self._use(each.first, each.last)
            wanted.setdefault((columns, self._is_negated(value.first)), []).append(value.value)
        for (columns, negated), texts in wanted.items():
            distinct = tuple(dict.fromkeys(texts))
            if negated:
                yield from (Condition(columns, FilterOperator.NE, (text,)) for text in distinct)
            else:
                operator = FilterOperator.EQ if len(distinct) == 1 else FilterOperator.IN
                yield Condition(columns, operator, distinct)

    def _flags(self, named: Sequence[_Mention], group_by: str) -> Iterator[Condition]:
        """A column of yes and no that is named is a condition: "that are active", "not active"."""
        for mention in named:
            (name,) = mention.columns
            if self.columns[name].type is ColumnType.YES_NO and name != group_by:
                self._use(mention.first, mention.last)
                yield Condition((name,), FilterOperator.EQ, (not self._is_negated(mention.first),))

    def _is_negated(self, at: int) -> bool:
        """Whether one of the words before it, up to the last one that means something else, turns it round."""
        for place in range(at - 1, max(-1, at - 1 - _NEGATION_REACH), -1):
            token = self.tokens[place]
            if token.word in _NEGATIONS and not token.used:
                token.used = True
                return True
            if token.used:
                break
        return False

    # --- the query ------------------------------------------------------------------------------------------------

    def _query(
        self,
        cues: Sequence[_Cue],
        named: Sequence[_Mention],
        conditions: Sequence[Condition],
        bound: set[str],
        group_by: str,
        which: str,
    ) -> Query | None:
        """The aggregate and its column; None when an aggregate is asked for that no column serves."""
        held = tuple(conditions)
        reckoned = next((cue for cue in cues if cue.aggregate not in _EXTREMES), None)
        extreme = next((cue for cue in cues if cue.aggregate in _EXTREMES), None)
        free = [each for each in named if each.columns[0] not in {group_by, *bound}]
        if reckoned is None:
            if extreme is None:
                return Query(Aggregate.ROWS, conditions=held) if held else None
            return self._extreme_query(extreme, free, held, group_by, which)
        best = extreme.aggregate if extreme is not None and which else None
        groups = group_by or (which if best else "")
        if reckoned.aggregate is Aggregate.COUNT:
            counted = self._counted(reckoned, free, which)
            told = held or counted or group_by or which or self._titled()
            return Query(Aggregate.COUNT, counted, held, groups, best) if told else None
        column = self._reckoned(reckoned, free, {ColumnType.NUMBER}, which)
        return Query(reckoned.aggregate, column, held, groups, best) if column is not None else None

    def _extreme_query(
        self, cue: _Cue, free: Sequence[_Mention], held: tuple[Condition, ...], group_by: str, which: str
    ) -> Query | None:
        """The highest price is in a row; "which harbour has the most boats" (the most of an amount) asks for the group
        with the most rows (the highest total)."""
        types = {ColumnType.DATE} if cue.word in _OF_DATES else {ColumnType.NUMBER, ColumnType.DATE}
        column = self._reckoned(cue, free, types, which)
        of_groups = cue.word in _OF_AMOUNTS and which != "" and _repeats(self.columns[which])
        if column is None:
            told = of_groups and (self._counted(cue, free, which) or self._titled())
            return Query(Aggregate.COUNT, "", held, which, cue.aggregate) if told else None
        if of_groups and self.columns[column].type is ColumnType.NUMBER:
            return Query(Aggregate.SUM, column, held, which, cue.aggregate)
        return Query(cue.aggregate, column, held, group_by)

    def _counted(self, cue: _Cue, free: Sequence[_Mention], which: str) -> str:
        """What is counted: the column that is named soon after the cue; empty: rows."""
        after = [each for each in free if 0 <= each.first - cue.last < _REACH and each.columns[0] != which]
        if not after or self.columns[after[0].columns[0]].type is ColumnType.YES_NO:
            return ""
        self._use(after[0].first, after[0].last)
        return after[0].columns[0]

    def _reckoned(self, cue: _Cue, free: Sequence[_Mention], types: set[ColumnType], which: str) -> str | None:
        """The column that an aggregate is over: named after the cue, else before it, else the only one of its type."""
        fitting = [each for each in free if self.columns[each.columns[0]].type in types and each.columns[0] != which]
        after = [each for each in fitting if each.last > cue.first]
        before = [each for each in reversed(fitting) if each.last <= cue.first]
        if mention := next(iter([*after, *before]), None):
            self._use(mention.first, mention.last)
            return mention.columns[0]
        able = [column.name for column in self.table.columns if column.type in types and column.name != which]
        return able[0] if len(able) == 1 and (cue.word in _OF_DATES or not free) else None

    # --- what is explained ----------------------------------------------------------------------------------------

    def _explained(self) -> float:
        title = {_stem(word) for word in words_of(self.table.title)}
        known = total = 0
        for token in self.tokens:
            if not words.terms(token.word) or token.stem in _GENERIC or _stem(token.word) in _GENERIC:
                continue
            if _is_link_word(token.word) and not token.used:
                continue
            total += 1
            known += token.used or token.stem in title
        return known / total if total else 1.0

    def _titled(self) -> bool:
        title = {_stem(word) for word in words_of(self.table.title) if words.terms(word)}
        return any(token.stem in title for token in self.tokens)

    def _use(self, first: int, last: int) -> None:
        for token in self.tokens[first:last]:
            token.used = True

    def _tokens_in(self, start: int, end: int) -> tuple[int, int]:
        """Numbers ``[first, last)`` of the tokens within a span of the question."""
        inside = [number for number, token in enumerate(self.tokens) if token.start >= start and token.end <= end]
        return (inside[0], inside[-1] + 1) if inside else (len(self.tokens), len(self.tokens))


_EXTREMES = {Aggregate.MINIMUM, Aggregate.MAXIMUM}
_LINK_WORDS = re.compile(
    r"more|less|least|fewer|greater|higher|lower|larger|smaller|longer|shorter|most|over|above|under|below|since|before"
    r"|after|until|till|through|between|exceed(?:s|ing)?|equals?|equal|exactly|later|earlier|prior|during|other|than|except"
    r"|excluding|without|per|each|every|up|starting"
)


def _is_link_word(word: str) -> bool:
    return _LINK_WORDS.fullmatch(word) is not None


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    return (words.terms(word) or [word])[0]


def _is_cue(text: str) -> bool:
    return _CUE.fullmatch(text) is not None


def _within(run: list[str], name: list[str]) -> bool:
    return any(name[at : at + len(run)] == run for at in range(len(name) - len(run) + 1))


def _overlap(one: _Mention, other: _Mention) -> bool:
    return one.first < other.last and other.first < one.last


def _distinct(column: Column) -> list[str]:
    if column.type is not ColumnType.TEXT:
        return []
    found = list(dict.fromkeys(cell for cell in column.cells if cell))
    return found if len(found) <= _MAX_DISTINCT else []


def _is_value(key: tuple[str, ...], cell: str) -> bool:
    """Whether a cell can be told apart in a sentence: no single letter, figure or word that sentences are made of."""
    if not 0 < len(key) <= _MAX_VALUE_WORDS or not any(words.terms(word) for word in key):
        return False
    return len(key) > 1 or (len(cell.strip()) > 1 and not key[0].isdigit() and key[0] not in _NO_VALUES)


def _repeats(column: Column) -> bool:
    filled = [cell.casefold() for cell in column.cells if cell]
    return len(set(filled)) < len(filled)


def _takes_date(column: Column, value: str) -> bool:
    return column.type is ColumnType.DATE or (
        column.type is ColumnType.NUMBER and "year" in column.words and len(value) == 4
    )


def _number(text: str) -> Decimal | None:
    try:
        return figure(text)
    except ArithmeticError:
        return None


def _date(told: dict[str, str | None]) -> str | None:
    """A date, as ISO 8601 as far as it is told."""
    if iso := told.get("iso"):
        return iso
    year, month, day = told.get("year"), told.get("month"), told.get("day")
    parts = [year or ""]
    if month:
        parts.append(f"{_MONTHS.index(month.casefold()) + 1:02d}")
    if day:
        parts.append(f"{int(day):02d}")
    return "-".join(parts)
