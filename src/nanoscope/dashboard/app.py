"""The server of the page: what it answers, to whom, and how it says what went wrong."""

from importlib import import_module
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from nanoscope.dashboard import api, lenses
from nanoscope.dashboard.guard import Guard, line
from nanoscope.dashboard.hosts import Where
from nanoscope.dashboard.later import Later, Once
from nanoscope.dashboard.limits import SmallBodies
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError

HERE = Where()
STATIC = Path(__file__).parent / "static"
AT_ONCE = (api, lenses)
LATER = ("scores", "pairs", "patching", "circuits", "neurons", "features", "times", "stored_api")
"""Modules of addresses that the first view does not ask for."""


def application(session: Session, key: str = "", where: Where = HERE) -> FastAPI:
    """The page for the opened checkpoints. It answers only to names of where it is served, and what needs the key with it."""
    app = FastAPI(title="nanoscope", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.session = session
    for topic in AT_ONCE:
        app.include_router(topic.router)
    app.router.default = StaticFiles(directory=STATIC, html=True)
    app.state.load = Once(lambda: _include(app))
    first = {route.path for topic in AT_ONCE for route in topic.router.routes if isinstance(route, APIRoute)}
    app.add_middleware(Later, at_once=first, load=app.state.load)
    app.add_middleware(SmallBodies)
    app.add_middleware(Guard, key=key, where=where)
    app.add_exception_handler(NanoscopeError, lambda _, error: line(400, str(error)))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    return app


def _include(app: FastAPI) -> None:
    """Import the other addresses."""
    for name in LATER:
        app.include_router(import_module(f"nanoscope.dashboard.{name}").router)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return line(422, "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return line(error.status_code, str(error.detail), error.headers)
