"""What bench-answers computes and reads, apart from the systems that it measures."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchmarks.answers_compaction import cut, shortest
from benchmarks.answers_retrieval import labelled_sets
from benchmarks.answers_summaries import evidence, read
from benchmarks.latency_model import Call, Speed, claims, critical_path_s, most_at_a_time, serving
from benchmarks.ranking import ndcg, recall
from benchmarks.summaries_peers import fitting
from omnilake.generation.prompts import marked


def test_ndcg_is_that_of_trec_eval() -> None:
    # DCG = 3/log2(2) + 2/log2(4); ideal = 3/log2(2) + 2/log2(3) + 1/log2(4)
    assert ndcg(["a", "x", "b"], {"a": 3, "b": 2, "c": 1}) == pytest.approx(4.0 / 4.76186, rel=1e-5)
    assert ndcg(["a", "b", "c"], {"a": 3, "b": 2, "c": 1}) == 1.0
    assert ndcg([], {"a": 1}) == ndcg(["a"], {}) == 0.0


def test_what_lies_behind_the_depth_does_not_count() -> None:
    ranking = [f"x{number}" for number in range(10)] + ["a"]
    assert ndcg(ranking, {"a": 1}) == recall(ranking, {"a": 1}) == 0.0
    assert recall(["a", "x"], {"a": 1, "b": 1, "c": 0}) == 0.5


def test_sets_of_the_retrieval_format_are_found_with_the_queries_that_are_judged(tmp_path: Path) -> None:
    folder = tmp_path / "any"
    (folder / "qrels").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    queries = [{"_id": str(number), "text": f"query {number}"} for number in range(4)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n1\tb\t2\n3\tc\t1\n9\td\t1\n")
    [found] = labelled_sets(tmp_path, (), None)
    assert (found.name, found.queries) == ("any", {"1": "query 1", "3": "query 3"})
    assert found.relevant == {"1": {"a": 1, "b": 2}, "3": {"c": 1}}
    [first] = labelled_sets(tmp_path, ("any",), 1)
    assert list(first.queries) == ["1"]
    assert list(labelled_sets(tmp_path, ("another",), None)) == []


def test_meetings_are_read_as_turns_and_queries(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    told = {
        "meeting_transcripts": [{"speaker": "Ann", "content": "Yes {vocalsound} , it is done ."}],
        "general_query_list": [{"query": "q", "answer": "a"}],
        "specific_query_list": [{"query": "r", "answer": "b", "relevant_text_span": []}],
    }
    path.write_text(json.dumps(told) + "\n" + json.dumps(told))
    meetings = list(read(path, 3))
    assert [meeting.queries for meeting in meetings] == [[("q", "a"), ("r", "b")], [("q", "a")]]
    assert meetings[0].turns == ["Ann: Yes, it is done."]
    path.write_text(json.dumps({"text": "of another format"}))
    assert list(read(path, None)) == []


def test_a_meeting_is_chunks_of_whole_turns(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    turns = [{"speaker": f"P{number}", "content": "word " * 60} for number in range(9)]
    queries = [{"query": "q", "answer": "a"}]
    path.write_text(json.dumps({"meeting_transcripts": turns, "specific_query_list": queries}))
    [meeting] = read(path, None)
    chunks = [each.chunk for each in evidence(meeting)]
    whole = "\n".join(meeting.turns)
    assert len(chunks) > 1
    assert "\n".join(chunk.text for chunk in chunks) == whole
    assert all(whole[chunk.start : chunk.end] == chunk.text for chunk in chunks)


def test_extracts_fit_the_words_and_stand_in_the_order_of_the_text() -> None:
    sentences = ["one two three", "four five", "six"]
    assert fitting(["six", "one two three", "four five"], sentences, 4) == "one two three six"
    assert fitting(["one two three", "four five"], sentences, 2) == "four five"


def call(begin: float, end: float) -> Call:
    return Call(begin, end, model="m", tool="t", input_tokens=1, output_tokens=1)


def test_the_critical_path_is_the_longest_chain_and_waits_between_calls_do_not_count() -> None:
    wave = [call(number / 10, 4 + number / 10) for number in range(20)]
    assert critical_path_s(wave) == pytest.approx(4)
    assert critical_path_s([*wave, call(100, 103)]) == pytest.approx(7)
    assert critical_path_s([call(0, 1), call(1, 2), call(0, 5)]) == pytest.approx(5)
    assert critical_path_s([]) == 0
    assert most_at_a_time([call(0, 2), call(1, 3), call(3, 4)]) == 2


@pytest.mark.parametrize(
    ("evidence_tokens", "node_tokens", "waves", "calls", "merging"),
    [
        (200_000, 500, 2, 21, 0),  # one wave of 20, and the answer
        (2_000_000, 500, 3, 41, 0),  # more than 20 contexts: two waves
        (2_000_000, 2_000, 4, 43, 2),  # 80,000 tokens of claims: two merges before the answer
        (100, 10, 2, 2, 0),  # never groups below one chunk
    ],
)
def test_the_shortest_map_reduce(evidence_tokens: int, node_tokens: int, waves: int, calls: int, merging: int) -> None:
    assert shortest(evidence_tokens, 250, 50_000, 20, node_tokens, 50_000) == (waves, calls, merging)


def test_chunks_cover_a_text() -> None:
    text = "word " * 517
    spans = cut(text, 1_000)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(end - start <= 1_000 for start, end in spans)


def test_the_latency_model_answers_by_what_it_is_shown() -> None:
    shown, _ = marked(["title: A\n\nThe ferry leaves from pier seven.", "title: B\n\nIt does not sail on Mondays."])
    told = claims("record_claims", "Write at most 1 claims", f"Question: q\n\n{shown}\n\nGive claims.")
    [claim] = told["claims"]
    assert claim["quotes"] == [{"passage": "p1", "text": "The ferry leaves from pier seven."}]
    merged = claims("merge_claims", "Write at most 9 claims", marked(["claim: X\nquote: x", "claim: Y\nquote: y"])[0])
    assert [each["claims"] for each in merged["claims"]] == [["p1"], ["p2"]]


def test_the_latency_model_takes_its_time_by_what_it_writes() -> None:
    schema = {"name": "record_claims", "schema": {}}
    asked = {
        "model": "any",
        "messages": [{"content": "at most 1"}, {"content": marked(["\n\nThe ferry leaves from pier seven."])[0]}],
        "response_format": {"json_schema": schema},
    }
    with serving({"any": Speed(0.0, 1e6)}) as server:
        body = server.answer(asked, time.monotonic())
        assert server.url.startswith("http://127.0.0.1:")
    [logged] = server.calls
    assert body["usage"] == {"prompt_tokens": logged.input_tokens, "completion_tokens": logged.output_tokens}
    assert logged.seconds >= logged.output_tokens / 1e6
