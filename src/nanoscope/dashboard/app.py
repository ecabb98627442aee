"""The server of the page: what it answers, to whom, and how it says what went wrong."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from nanoscope.dashboard import api, guard, stored_api
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def application(session: Session, key: str = "") -> FastAPI:
    """The page for the opened checkpoints. It answers only to this machine's own names, and what needs the key only with it."""
    app = FastAPI(title="nanoscope", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.session, app.state.key = session, key
    for topic in (api, stored_api):
        app.include_router(topic.router)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    app.middleware("http")(_guarded)
    app.add_exception_handler(NanoscopeError, lambda _, error: _line(400, str(error)))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, lambda _, error: _line(error.status_code, str(error.detail)))  # type: ignore[attr-defined]
    return app


async def _guarded(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse whom `guard` refuses; every answer says that the page loads nothing from elsewhere."""
    refused = guard.refusal(request, request.app.state.key)
    response = _line(*refused) if refused else await answer(request)
    response.headers.update(HEADERS)
    guard.remember(request, response, request.app.state.key)
    return response


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _line(422, "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))


def _line(status: int, words: str) -> Response:
    return JSONResponse({"error": " ".join(words.split())}, status)
