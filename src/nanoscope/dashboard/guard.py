"""Who may ask: the page itself, from this machine, with the key of the address that was opened.

Refused are other host names (DNS rebinding), what another site's page asks (Origin, Sec-Fetch-Site), and what comes without
the key, such as another user's requests on the same machine. Only the page itself loads without it. The key is in the address
that is printed; opening that leaves it in a cookie, which no script reads and no other site's request carries.
"""

import secrets
from urllib.parse import urlsplit

from fastapi import Request, Response

HOSTS = ("127.0.0.1", "localhost")
LARGEST = 2**16
"""Bytes of a request's body at most; none is needed."""
KEY = "key"
"""The parameter of the printed address."""
CLOSED = "this needs the key in the address that nanoscope open printed; open that address again"
Refusal = tuple[int, str]


def new_key() -> str:
    return secrets.token_urlsafe(18)


def refusal(request: Request, key: str) -> Refusal | None:
    """The status and the words with which a request is refused; None for one that is answered. Without a key none is asked."""
    if request.headers.get("host", "").partition(":")[0] not in HOSTS:
        return 400, "this page answers to 127.0.0.1 and localhost only"
    if not request.headers.get("content-length", "0").isdecimal() or "transfer-encoding" in request.headers:
        return 411, "a request says how long it is"
    if int(request.headers.get("content-length", "0")) > LARGEST:
        return 413, f"a request has at most {LARGEST:,} bytes"
    if not request.url.path.startswith("/api"):
        return None
    if _foreign(request):
        return 403, "requests from other sites are refused"
    return None if not key or _has(request, key) else (401, CLOSED)


def remember(request: Request, response: Response, key: str) -> None:
    """Leave the key of the opened address in a cookie of this port."""
    if key and _is(request.query_params.get(KEY, ""), key):
        response.set_cookie(_cookie(request), key, httponly=True, samesite="strict")


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
