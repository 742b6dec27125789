"""The stack deployed with ``ApiAuthorization=JWT``: tokens of an OIDC issuer in place of AWS credentials."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from embedded_cloud import Cloud, Running, unique
from token_issuer import AUDIENCE, Issuer, any_key, issuer

from omnilake import cli
from omnilake.client.client import AsyncOmniLake, OmniLake
from omnilake.client.types import AccessState
from omnilake.errors import ArchiveNotFound, EntryNotFound, Forbidden, NotAuthenticated
from omnilake.models import AnswerStatus

NORTH = "The night ferry to Selmere leaves from pier seven at half past nine."
SOUTH = "The night ferry to Selmere leaves from pier two at a quarter to ten."
QUESTION = "From which pier does the night ferry to Selmere leave?"


@pytest.fixture(scope="module")
def tokens(running_cloud: Running) -> Iterator[Issuer]:
    """The issuer whose tokens the deployed API takes, instead of signed calls, while this module's tests run."""
    with (
        issuer() as running,
        running_cloud.deployed_with(
            ApiAuthorization="JWT",
            JwtIssuer=running.url,
            JwtAudience=AUDIENCE,
            TenantClaim="custom:business",
            GroupsClaim="groups",
            OperatorPrincipals="group:operators",
        ),
    ):
        yield running


@pytest.fixture(scope="module")
def endpoint(tokens: Issuer, cloud: Cloud) -> str:
    """Address of the API while it takes tokens."""
    return cloud.outputs["ApiEndpoint"]


def claims(business: str = "north", *groups: str) -> dict[str, Any]:
    """Of a token: the tenant, and the groups."""
    return {"custom:business": business, "groups": [*groups]}


def status(endpoint: str, token: str = "", path: str = "/v1/archives") -> int:
    """Of a call with a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(endpoint + path, headers=headers, timeout=30).status_code


class TestWhoGetsIn:
    def test_whoever_has_a_token_of_the_issuer_for_this_audience(self, endpoint: str, tokens: Issuer) -> None:
        assert status(endpoint, tokens.token("mara", **claims())) == 200
        assert status(endpoint, tokens.token("mara", aud=["another", AUDIENCE], **claims())) == 200
        # Cognito's access tokens name the client so
        assert status(endpoint, tokens.token("mara", aud=None, client_id=AUDIENCE, **claims())) == 200

    @pytest.mark.parametrize("path", ["/v1/archives", "/v1/health", "/v1/openapi.json", "/list_archives", "/nowhere"])
    def test_nobody_without_a_token(self, endpoint: str, tokens: Issuer, path: str) -> None:
        assert status(endpoint, "", path) == 401
        assert status(endpoint, "no.token.atall", path) == 401

    @pytest.mark.parametrize(
        "wrong",
        [
            {"aud": "another"},
            {"aud": None},
            {"iss": "https://issuer.invalid"},
            {"exp": int(time.time()) - 60},
            {"nbf": int(time.time()) + 3_600},
        ],
        ids=["audience", "no audience", "issuer", "expired", "not yet"],
    )
    def test_no_token_that_is_not_for_here_and_now(self, endpoint: str, tokens: Issuer, wrong: dict[str, Any]) -> None:
        assert status(endpoint, tokens.token("mara", **{**claims(), **wrong})) == 401

    def test_no_token_that_another_key_signed(self, endpoint: str, tokens: Issuer) -> None:
        assert status(endpoint, tokens.token("mara", key=any_key("k-1"), **claims())) == 401

    def test_no_token_whose_claims_were_changed_after_it_was_signed(self, endpoint: str, tokens: Issuer) -> None:
        head, _, signature = tokens.token("mara", **claims()).split(".")
        body = tokens.token("noah", **claims("south", "operators")).split(".")[1]
        assert status(endpoint, f"{head}.{body}.{signature}") == 401

    def test_no_signed_call(self, endpoint: str) -> None:
        with OmniLake(endpoint) as signed, pytest.raises(NotAuthenticated):
            signed.health()


class TestWhoMayWhat:
    def test_an_archive_is_its_owners_and_that_of_the_groups_it_names(self, endpoint: str, tokens: Issuer) -> None:
        archive_id = unique()
        with (
            OmniLake(endpoint, token=tokens.token("mara", **claims())) as mara,
            OmniLake(endpoint, token=tokens.token("noah", **claims("north", "pilots"))) as noah,
            OmniLake(endpoint, token=tokens.token("ines", **claims("north", "cooks"))) as ines,
            OmniLake(endpoint, token=tokens.token("root", groups=["operators"])) as root,
        ):
            assert mara.archives.create(archive_id, "Tides").owner == "jwt:mara"
            with pytest.raises(ArchiveNotFound):
                noah.archives.get(archive_id)
            access = mara.archives.set_access(archive_id, {"read": ["group:pilots"]})
            assert isinstance(access, AccessState)
            assert (access.owner, access.read, access.write) == ("jwt:mara", ["group:pilots"], [])
            assert mara.archives.access(archive_id) == access
            assert noah.archives.get(archive_id).description == "Tides"
            with pytest.raises(Forbidden):
                noah.entries.add(archive_id, NORTH)
            with pytest.raises(ArchiveNotFound):
                ines.archives.get(archive_id)
            assert root.archives.update(archive_id, description="Ferries").description == "Ferries"

    def test_a_tenants_documents_are_seen_by_that_tenant_alone(self, endpoint: str, tokens: Issuer) -> None:
        archive_id = unique()
        with (
            OmniLake(endpoint, token=tokens.token("mara", **claims())) as north,
            OmniLake(endpoint, token=tokens.token("noah", **claims("south"))) as south,
        ):
            north.archives.create(archive_id)
            north.archives.set_access(archive_id, {"write": ["jwt:noah"]})
            ours, theirs = north.entries.add(archive_id, NORTH), south.entries.add(archive_id, SOUTH)
            ours.completed(120)
            theirs.completed(120)
            assert [each.entry_id for each in north.entries.list(archive_id)] == [ours.entry_id]
            with pytest.raises(EntryNotFound):
                north.entries.content(archive_id, theirs.entry_id)
            found = [each.text for each in south.search(archive_id, QUESTION).results]
            assert found == [SOUTH]
            asked = north.ask(archive_id, QUESTION)
            answer = asked.answer(120)
            assert answer.status is AnswerStatus.ANSWERED
            assert "pier seven" in answer.text
            assert "pier two" not in answer.text
            with pytest.raises(Forbidden, match="another tenant"):
                north.ask(archive_id, QUESTION, tenant={"business_id": "south"})
            with pytest.raises(Exception, match="NOT_FOUND"):
                south.answers.get(asked.job_id)

    def test_a_token_that_names_no_tenant_is_refused(self, endpoint: str, tokens: Issuer) -> None:
        with (
            OmniLake(endpoint, token=tokens.token("mara", groups=["pilots"])) as lake,
            pytest.raises(Forbidden, match="no tenant"),
        ):
            lake.archives.list().all()


class TestTheClient:
    def test_takes_the_token_from_the_environment(
        self, endpoint: str, tokens: Issuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMNILAKE_TOKEN", tokens.token("mara", **claims()))
        archive_id = unique()
        with OmniLake() as lake:  # the address is an output of the stack, read with AWS credentials
            assert lake.archives.create(archive_id).owner == "jwt:mara"
        listed = CliRunner().invoke(cli.cli, ["archive", "ls", "--json"])
        assert listed.exit_code == 0, listed.output
        assert archive_id in listed.output

    def test_takes_it_asynchronously_too(self, endpoint: str, tokens: Issuer) -> None:
        async def main() -> str:
            async with AsyncOmniLake(endpoint, token=tokens.token("mara", **claims())) as lake:
                return str((await lake.health())["status"])

        assert asyncio.run(main()) == "ok"

    def test_says_that_a_token_is_no_longer_taken(self, endpoint: str, tokens: Issuer) -> None:
        with (
            OmniLake(endpoint, token=tokens.token("mara", exp=int(time.time()) - 60, **claims())) as lake,
            pytest.raises(NotAuthenticated),
        ):
            lake.archives.list().all()
