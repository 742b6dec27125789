"""The server's own pages below ``/_omnilake/``; everything else is ministack's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ministack import app as ministack_app

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
PREFIX = "/_omnilake/"


class Application:
    """An ASGI application: our pages in front of ministack's."""

    def __init__(self, pages: dict[str, Callable[[], Any]], when_started: Callable[[], None]) -> None:
        """``pages`` maps a name below the prefix to a function that makes its JSON document.

        ``when_started`` is called once, when ministack has restored its state and before requests come.
        """
        self._pages = pages
        self._when_started = when_started

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await ministack_app.app(scope, receive, self._announcing(send))
            return
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await ministack_app.app(scope, receive, send)
            return
        page = self._pages.get(path.removeprefix(PREFIX))
        if page is None:
            status, document = 404, {"error": "no such page", "pages": sorted(self._pages)}
        else:
            status, document = 200, await asyncio.to_thread(page)
        body = json.dumps(document).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _announcing(self, send: Send) -> Send:
        async def announce(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                await asyncio.to_thread(self._when_started)
            await send(message)

        return announce
