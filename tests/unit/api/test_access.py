"""Who asks is told by the authorizer; what they may do, by the archive's record."""

from __future__ import annotations

from typing import Any

import any_call
import pytest
from any_stored import SPACE
from hypothesis import given
from hypothesis import strategies as st

from omnilake.api.access import Principal, Right, iam_name, listed, principal_of
from omnilake.errors import ArchiveNotFound, Forbidden, NotAuthenticated
from omnilake.models import Archive, ArchiveAccess
from omnilake.settings import settings


@pytest.fixture(autouse=True)
def _no_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPERATOR_PRINCIPALS", "TENANT_CLAIM", "GROUPS_CLAIM"):
        monkeypatch.delenv(f"OMNILAKE_{name}", raising=False)
    settings.cache_clear()


def archive(owner: str = "jwt:owner", **access: Any) -> Archive:
    return Archive(
        archive_id="an-archive",
        space=SPACE,
        store_id="s",
        created_at="2026-01-01T00:00:00.000Z",
        owner=owner,
        access=ArchiveAccess.model_validate(access),
    )


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:iam::123456789012:user/mara", "iam:arn:aws:iam::123456789012:user/mara"),
        ("arn:aws:iam::123456789012:root", "iam:arn:aws:iam::123456789012:root"),
        ("arn:aws:sts::123456789012:assumed-role/reader/s1", "iam:arn:aws:iam::123456789012:role/reader"),
        ("arn:aws-cn:sts::123456789012:assumed-role/reader/a=b@c", "iam:arn:aws-cn:iam::123456789012:role/reader"),
    ],
)
def test_a_session_counts_as_its_role(arn: str, name: str) -> None:
    assert iam_name(arn) == name


class TestTokens:
    """Where two claims are configured, and one operator."""

    @pytest.fixture(autouse=True)
    def _claims(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMNILAKE_GROUPS_CLAIM", "groups")
        monkeypatch.setenv("OMNILAKE_TENANT_CLAIM", "org")
        monkeypatch.setenv("OMNILAKE_OPERATOR_PRINCIPALS", "jwt:ops")
        settings.cache_clear()

    @pytest.mark.parametrize(
        ("claims", "principal"),
        [
            (
                {"sub": "s-1", "groups": "[admin dev]", "org": "north"},
                Principal("jwt:s-1", ("admin", "dev"), "north"),
            ),
            ({"sub": "ops"}, Principal("jwt:ops")),
        ],
    )
    def test_tell_subject_groups_and_tenant_which_operators_need_not_have(
        self, claims: dict[str, str], principal: Principal
    ) -> None:
        assert principal_of(any_call.any_call("GET", "/", claims=claims)["requestContext"]) == principal

    @pytest.mark.parametrize("claims", [{"sub": "s-1"}, {"sub": "s-1", "org": ""}])
    def test_without_the_tenant_that_they_must_name_are_refused(self, claims: dict[str, str]) -> None:
        with pytest.raises(Forbidden, match="no tenant"):
            principal_of(any_call.any_call("GET", "/", claims=claims)["requestContext"])


@pytest.mark.parametrize(
    "context", [{}, {"authorizer": None}, {"authorizer": {"iam": None}}, {"authorizer": {"jwt": {}}}]
)
def test_a_call_of_nobody_is_refused(context: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        principal_of(context)


@pytest.mark.parametrize(
    ("claim", "members"), [("[a b]", ("a", "b")), ("a,b", ("a", "b")), (["a"], ("a",)), (None, ()), ("[]", ())]
)
def test_a_claim_with_a_list_is_read_as_gateways_write_it(claim: Any, members: tuple[str, ...]) -> None:
    assert listed(claim) == members


def test_administer_includes_write_and_write_includes_read() -> None:
    who = Principal("jwt:x")
    for given_right in Right:
        access: dict[str, Any] = {given_right.name.lower(): ["jwt:x"]}
        held = archive(**access)
        assert [right for right in Right if who.may(right, held)] == [right for right in Right if right <= given_right]


def test_an_owner_administers_and_an_archive_without_owner_is_for_operators_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Principal("jwt:owner").may(Right.ADMINISTER, archive())
    assert not Principal("jwt:x").may(Right.READ, archive(owner="", read=["*"]))
    monkeypatch.setenv("OMNILAKE_OPERATOR_PRINCIPALS", "jwt:other, group:ops")
    settings.cache_clear()
    assert Principal("jwt:x", ("ops",)).may(Right.ADMINISTER, archive(owner=""))
    assert not Principal("jwt:x", ("op",)).may(Right.READ, archive(owner=""))


def test_patterns_name_exactly_or_by_their_beginning() -> None:
    role = Principal("iam:arn:aws:iam::123456789012:role/reader")
    assert role.fits(["iam:arn:aws:iam::123456789012:role/*"])
    assert not role.fits(["iam:arn:aws:iam::123456789012:role/read"])
    assert not role.fits(["group:*", "jwt:*", "iam:arn:aws:iam::210987654321:*"])
    assert Principal("jwt:x", ("north-1",)).fits(["group:north-*"])


def test_who_may_not_read_learns_nothing_and_who_may_is_told_what_is_missing() -> None:
    with pytest.raises(ArchiveNotFound):
        Principal("jwt:x").check(Right.READ, archive())
    with pytest.raises(ArchiveNotFound):
        Principal("jwt:x").check(Right.ADMINISTER, archive())
    with pytest.raises(Forbidden):
        Principal("jwt:x").check(Right.WRITE, archive(read=["jwt:x"]))


@given(st.text(), st.text())
def test_a_pattern_without_a_star_names_nobody_else(pattern: str, name: str) -> None:
    who = Principal(name)
    assert who.fits([pattern]) == (pattern == name or (pattern.endswith("*") and name.startswith(pattern[:-1])))
