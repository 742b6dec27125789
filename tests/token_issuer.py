"""An OIDC issuer on this machine: discovery, its public keys, and tokens as it would give them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from vendor_server import Reply, Request, Vendor, vendor

AUDIENCE = "omnilake-app"


def any_key(kid: str) -> RSAKey:
    """A new RSA key pair."""
    return RSAKey.generate_key(2048, {"kid": kid, "alg": "RS256", "use": "sig"})


@dataclass
class Issuer:
    """A running issuer.

    Attributes:
        url: its address, which is the ``iss`` of its tokens.
        key: that signs them.
    """

    server: Vendor
    key: RSAKey = field(default_factory=lambda: any_key("k-1"))

    @property
    def url(self) -> str:
        return self.server.url

    def token(self, subject: str, *, key: RSAKey | None = None, **claims: Any) -> str:
        """A token for a subject that holds for an hour.

        Args:
            subject: whose it is.
            key: signs it in place of the issuer's own.
            claims: further ones, or others in place of the usual ones; None leaves one out.
        """
        now = int(time.time())
        told = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 3_600} | claims
        signer = key or self.key
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(header, {name: value for name, value in told.items() if value is not None}, signer)


@contextmanager
def issuer() -> Iterator[Issuer]:
    """An issuer on a free port of 127.0.0.1."""

    def answer(request: Request) -> Reply:
        if request.path == "/.well-known/openid-configuration":
            return Reply({"issuer": running.url, "jwks_uri": f"{running.url}/keys"})
        if request.path == "/keys":
            return Reply({"keys": [running.key.as_dict(private=False)]})
        return Reply(b"", 404)

    with vendor(answer) as server:
        running = Issuer(server)
        yield running
