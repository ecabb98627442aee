"""The server of the page: what it answers, to whom, and how it says what went wrong."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from nanoscope.dashboard import api, circuits, lenses, neurons, pairs, patching, scores, stored_api, times
from nanoscope.dashboard.limits import SmallBodies
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError

STATIC = Path(__file__).parent / "static"
TOPICS = (api, lenses, scores, pairs, patching, circuits, neurons, times, stored_api)
HOSTS = ("127.0.0.1", "localhost")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def application(session: Session) -> FastAPI:
    """The page for the opened checkpoints. It answers only to this machine's own names, which stops DNS rebinding."""
    app = FastAPI(title="nanoscope", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.session = session
    for topic in TOPICS:
        app.include_router(topic.router)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    app.add_middleware(SmallBodies)
    app.middleware("http")(_guarded)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    app.add_exception_handler(NanoscopeError, lambda _, error: _line(400, str(error)))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    return app


async def _guarded(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Other sites may not call the interface, whoever's browser they use."""
    if request.url.path.startswith("/api") and _from_elsewhere(request):
        return _line(403, "requests from other sites are refused")
    response = await answer(request)
    response.headers.update(HEADERS)
    return response


def _from_elsewhere(request: Request) -> bool:
    """By what browsers say of a request; other programs say nothing."""
    site, origin = request.headers.get("sec-fetch-site", "none"), request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host')}"
    return site not in ("same-origin", "none") or (origin is not None and origin != own)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _line(422, "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _line(error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _line(status: int, words: str) -> Response:
    return JSONResponse({"error": " ".join(words.split())}, status)
