"""The bodies of requests stay small: a longer one is refused before it is read."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST = 256 * 1024
"""Bytes of a request's body: two texts and every edge of a circuit fit."""


class TooLarge(Exception):
    """More of a body has come than is read."""


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
                raise TooLarge
            return message

        try:
            if int(dict(scope["headers"]).get(b"content-length", b"0")) > LARGEST:
                raise TooLarge
            await self.app(scope, counted, send)
        except (TooLarge, ValueError):
            await _refuse(send)


async def _refuse(send: Send) -> None:
    body = b'{"error":"the request is too large; send shorter texts"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
