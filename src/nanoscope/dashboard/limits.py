"""The bodies of requests stay small: a longer one is refused before it is read."""

from fastapi import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST = 256 * 1024
"""Bytes of a request's body: two texts and every edge of a circuit fit."""


WORDS = "the request is too large; send shorter texts"


class SmallBodies:
    """Answers 413 to a request whose body is larger than `LARGEST`, whether it says so or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LARGEST:
                raise HTTPException(413, WORDS)
            return message

        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said) > LARGEST:
            return await JSONResponse({"error": WORDS}, 413)(scope, receive, send)
        await self.app(scope, counted, send)
