"""Who asks, and what they may do with an archive.

A principal has a name, and patterns name principals: exactly, or by a beginning with ``*`` at the end.

``iam:arn:aws:iam::ACCOUNT:role/NAME``  a role, whatever its session is called; or a user, or the account's root
``jwt:SUBJECT``                         the subject of a token
``group:NAME``                          everyone whose token lists the group

Operators (parameter OperatorPrincipals) may everything. An archive's owner administers it; others may what its access
lists say. Whoever may not read an archive is told the same as if it did not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from omnilake.errors import ArchiveNotFound, Forbidden, NotAuthenticated
from omnilake.models import Archive, ArchiveAccess
from omnilake.settings import settings

_SESSION = re.compile(r"^arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/")


class Right(IntEnum):
    """What may be done with an archive; each includes those below it."""

    READ = 1
    WRITE = 2
    ADMINISTER = 3


@dataclass(frozen=True)
class Principal:
    """Who makes a call.

    Attributes:
        name: ``iam:…`` or ``jwt:…``.
        groups: names of the groups that the token lists, without ``group:``.
        tenant: that the token names; empty: none, where tokens name none, or an operator's.
    """

    name: str
    groups: tuple[str, ...] = ()
    tenant: str = ""

    @property
    def is_operator(self) -> bool:
        """Whether the deployment lets it do everything."""
        return self.fits(filter(None, map(str.strip, settings().operator_principals.split(","))))

    def fits(self, patterns: Iterable[str]) -> bool:
        """Whether one of the patterns names it or a group of its."""
        names = (self.name, *(f"group:{group}" for group in self.groups))
        return any(_fits(pattern, name) for pattern in patterns for name in names)

    def may(self, right: Right, archive: Archive) -> bool:
        """Whether it has a right over an archive."""
        if self.is_operator:
            return True
        if not archive.owner:
            return False
        lists = {
            Right.READ: archive.access.read,
            Right.WRITE: archive.access.write,
            Right.ADMINISTER: archive.access.administer,
        }
        return self.name == archive.owner or any(self.fits(lists[each]) for each in Right if each >= right)

    def check(self, right: Right, archive: Archive) -> Archive:
        """The archive itself, when the principal has the right over it.

        Raises:
            ArchiveNotFound: it may not even read it.
            Forbidden: it may read it, but not that.
        """
        if self.may(right, archive):
            return archive
        if not self.may(Right.READ, archive):
            raise ArchiveNotFound("There is no archive of that id.")
        raise Forbidden(f"You may not {right.name.lower()} this archive.")


def principal_of(request_context: Mapping[str, Any]) -> Principal:
    """Who makes the call that API Gateway hands over.

    Args:
        request_context: ``requestContext`` of the event, payload format 2.0.

    Raises:
        NotAuthenticated: no authorizer said who it is.
        Forbidden: its token names no tenant where tokens must, and it is no operator's.
    """
    authorizer = request_context.get("authorizer") or {}
    iam = authorizer.get("iam") or {}
    if iam.get("userArn"):
        return Principal(name=iam_name(str(iam["userArn"])))
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    if claims.get("sub"):
        known = settings()
        who = Principal(
            name=f"jwt:{claims['sub']}",
            groups=listed(claims.get(known.groups_claim)) if known.groups_claim else (),
            tenant=str(claims.get(known.tenant_claim) or "") if known.tenant_claim else "",
        )
        if known.tenant_claim and not who.tenant and not who.is_operator:  # else it would see every tenant's
            raise Forbidden("Your token names no tenant.", action=f"Ask its issuer for the claim {known.tenant_claim}.")
        return who
    raise NotAuthenticated("The call does not say who makes it.")


def iam_name(user_arn: str) -> str:
    """Name of an IAM caller: of an assumed role the role itself, whoever the session is named after."""
    return "iam:" + _SESSION.sub(r"arn:\g<partition>:iam::\g<account>:role/\g<role>|", user_arn).split("|")[0]


def listed(claim: Any) -> tuple[str, ...]:
    """Members of a claim that is a list. API Gateway hands it over as the text ``[a b]``."""
    if isinstance(claim, list):
        return tuple(str(each) for each in claim)
    return tuple(re.findall(r"[^\s,]+", str(claim or "").strip().removeprefix("[").removesuffix("]")))


def default_access() -> ArchiveAccess:
    """What a new archive allows other principals when its creator says nothing."""
    everyone = ["*"] if settings().default_archive_access == "shared" else []
    return ArchiveAccess(read=everyone, write=everyone)


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
