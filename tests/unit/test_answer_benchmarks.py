"""What bench-answers computes and reads, apart from the systems that it measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.answers_retrieval import labelled_sets
from benchmarks.answers_summaries import evidence, read
from benchmarks.ranking import ndcg, recall
from benchmarks.summaries_peers import fitting


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
