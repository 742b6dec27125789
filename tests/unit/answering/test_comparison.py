"""Two answers side by side: what was added, left out, changed; and the hash of what an answer says."""

from __future__ import annotations

from any_answered import answer, citation
from hypothesis import given
from hypothesis import strategies as st

from omnilake.answering.comparison import compare, content_hash
from omnilake.models import Answer, AnswerStatus

LEASE, RENEWED, BREAD = "A worker's lease lasts 90 seconds.", "The lease is renewed twice.", "Bread is baked hot."


def test_the_same_claims_in_another_order_are_unchanged() -> None:
    one, two = (LEASE, citation(1, LEASE)), (BREAD, citation(2, BREAD, "f"))
    diff = compare(answer(one, two), answer(two, one, job_id="two"))
    assert (diff.added, diff.removed, diff.changed, diff.unchanged) == ([], [], [], 2)
    assert (diff.first, diff.second, diff.identical) == ("one", "two", False)


def test_claims_are_added_and_removed_with_what_they_cite() -> None:
    diff = compare(answer((LEASE, citation(1, LEASE))), answer((BREAD, citation(1, BREAD, "f"))))
    assert [(each.text, each.citations[0].entry_id) for each in diff.removed] == [(LEASE, "e")]
    assert [(each.text, each.citations[0].entry_id) for each in diff.added] == [(BREAD, "f")]
    assert diff.changed == []


def test_a_claim_in_other_words_is_one_that_changed_with_both_citations() -> None:
    longer = LEASE.replace("90", "120")
    diff = compare(
        answer((LEASE, citation(1, LEASE)), (BREAD, citation(2, BREAD, "f"))),
        answer((longer, citation(1, longer, version="v2")), (RENEWED, citation(2, RENEWED, start=99))),
    )
    (changed,) = diff.changed
    assert (changed.before.text, changed.after.text, changed.reworded) == (LEASE, longer, True)
    assert (changed.before.citations[0].version, changed.after.citations[0].version) == ("v1", "v2")
    assert ([each.text for each in diff.added], [each.text for each in diff.removed]) == ([RENEWED], [BREAD])


def test_the_same_words_from_another_place_are_changed_but_not_reworded() -> None:
    (changed,) = compare(answer((LEASE, citation(1, LEASE))), answer((LEASE, citation(1, LEASE, "f")))).changed
    assert not changed.reworded


def test_a_statement_of_the_same_place_is_paired_although_most_of_its_words_are_others() -> None:
    said = "After 90 seconds the lease of any worker has run out for good."
    assert len(compare(answer((LEASE, citation(1, LEASE))), answer((said, citation(1, LEASE)))).changed) == 1
    assert compare(answer((LEASE, citation(1, LEASE))), answer((said, citation(1, LEASE, "f")))).changed == []


def test_what_decided_otherwise_and_what_it_cost_are_told() -> None:
    first = answer(versions={"configuration": "a", "product": "1"}, cost_usd=0.5)
    second = answer((LEASE, citation(1, LEASE)), versions={"configuration": "b", "product": "1", "judge": "m"})
    diff = compare(first, second)
    assert diff.versions == {"configuration": ("a", "b"), "judge": ("", "m")}
    assert (diff.status, diff.cost_usd) == ((AnswerStatus.ABSTAINED, AnswerStatus.ANSWERED), (0.5, 0.0))


def test_the_hash_is_of_what_is_said_and_of_nothing_else() -> None:
    said = (LEASE, citation(1, LEASE))
    hashed = content_hash(answer(said))
    assert hashed == content_hash(answer(said, job_id="two", cost_usd=3.0, execution_arn="x", created_at="later"))
    assert hashed != content_hash(answer((RENEWED, said[1])))
    assert hashed != content_hash(answer((LEASE, citation(1, LEASE, start=1))))
    assert hashed != content_hash(answer(said, status=AnswerStatus.ABSTAINED))


CLAIMS = st.lists(
    st.tuples(st.sampled_from([LEASE, RENEWED, BREAD, LEASE + " Or more."]), st.integers(0, 3)), max_size=6
)


@given(CLAIMS, CLAIMS)
def test_every_claim_of_both_is_told_once(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> None:
    def made(claims: list[tuple[str, int]]) -> Answer:
        return answer(*((text, citation(at, text, start=place)) for at, (text, place) in enumerate(claims, start=1)))

    diff = compare(made(before), made(after))
    pairs = len(diff.changed) + diff.unchanged
    assert len(diff.removed) + pairs == len(before)
    assert len(diff.added) + pairs == len(after)
    assert compare(made(before), made(before)).unchanged == len(before)
