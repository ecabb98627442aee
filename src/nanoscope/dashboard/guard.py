"""Who may ask: the page itself, by a name of where it is served, with the key of the address that was opened.

Refused are other host names (DNS rebinding), what another site's page asks (Origin, Sec-Fetch-Site), and what comes without
the key, such as another user's requests on the same machine. Only the page itself loads without it, and that only from this
machine. The key is in the address that is printed; opening that leaves it in a cookie, which no script reads and no other
site's request carries, and the page takes it out of its address, so that a copied link opens in the same browser alone.
"""

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nanoscope.dashboard.hosts import Where

KEY = "key"
"""The parameter of the printed address."""
CLOSED = "this needs the key in the address that nanoscope open printed; open that address again"
REMEMBERED = 7 * 24 * 3600
"""Seconds that a browser keeps the key; another start of the server has another."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Of every answer: the page loads nothing from elsewhere."""
Refusal = tuple[int, str]


class Guard:
    """Stands before the page's addresses. It passes streams on as they are, so that a closed tab ends them."""

    def __init__(self, app: ASGIApp, key: str, where: Where) -> None:
        self.app, self.key, self.where = app, key, where

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = Request(scope)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if cookie := remembered(request, self.key):
                    headers.append("Set-Cookie", cookie)
            await send(message)

        refused = refusal(request, self.key, self.where)
        return await (line(*refused) if refused else self.app)(scope, receive, sending)


def line(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    """What went wrong, in one line."""
    return JSONResponse({"error": " ".join(words.split())}, status, headers)


def new_key() -> str:
    return secrets.token_urlsafe(18)


def refusal(request: Request, key: str, where: Where) -> Refusal | None:
    """The status and the words with which a request is refused; None for one that is answered. Without a key none is asked."""
    if not where.answers_to(request.headers.get("host", "")):
        names = "127.0.0.1 and localhost" if where.is_loopback else f"{where.host} and this machine's own names"
        return 400, f"this page answers to {names} only"
    if request.url.path.startswith("/api"):
        if _foreign(request):
            return 403, "requests from other sites are refused"
    elif where.is_loopback:
        return None
    return None if not key or _has(request, key) else (401, CLOSED)


def remembered(request: Request, key: str) -> str:
    """The cookie of this port that keeps the key of the opened address; empty without it."""
    if not key or not _is(request.query_params.get(KEY, ""), key):
        return ""
    return f"{_cookie(request)}={key}; HttpOnly; Path=/; SameSite=strict; Max-Age={REMEMBERED}"


def _foreign(request: Request) -> bool:
    site, origin = request.headers.get("sec-fetch-site", "same-origin"), request.headers.get("origin")
    return site not in ("same-origin", "none") or (origin is not None and _host(origin) != request.headers.get("host"))


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _has(request: Request, key: str) -> bool:
    return _is(request.cookies.get(_cookie(request), ""), key) or _is(request.query_params.get(KEY, ""), key)


def _is(given: str, key: str) -> bool:
    return secrets.compare_digest(given.encode(), key.encode())


def _cookie(request: Request) -> str:
    """Cookies are shared by all ports of a host, so each has its own name."""
    return f"nanoscope-{request.url.port or 80}"
