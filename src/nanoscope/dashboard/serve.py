"""Opening the page: a socket, by default of this machine only, the browser, and the server until it is stopped."""

import errno
import socket
import webbrowser
from collections.abc import Callable
from threading import Timer
from typing import Any

import uvicorn
from fastapi import FastAPI

from nanoscope.dashboard.app import application
from nanoscope.dashboard.guard import KEY, new_key
from nanoscope.dashboard.hosts import Where
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError

HERE = Where()
SETTLED = 2.0
"""Seconds after which the other views are prepared: the first one goes first."""
GRACE = 2
"""Seconds that answers which are being written get to end after Ctrl-C."""


def serve(session: Session, port: int, browser: bool, say: Callable[[str], None], where: Where = HERE) -> None:
    """Answer until Ctrl-C. NanoscopeError for a port that is taken, and an address that is not this machine's."""
    with listening(port, where) as opened:
        key = new_key()
        address = f"http://{where.shown}:{opened.getsockname()[1]}/?{KEY}={key}"
        say(f"the dashboard: {address} (Ctrl-C ends it)")
        if browser:
            webbrowser.open(address)  # the socket listens: the first request waits in its queue
        app = application(session, key, where)
        later = Timer(SETTLED, _ready, (app, session))
        later.daemon = True
        later.start()
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE)
        uvicorn.Server(config).run(sockets=[opened])


def _ready(app: FastAPI, session: Session) -> None:
    """Prepare the other views: their modules, and the study's results."""
    app.state.load()
    session.stored.warm()


def listening(port: int, where: Where = HERE) -> socket.socket:
    """A socket at an address, by default of this machine alone; port 0 is any that is free."""
    if not 0 <= port < 2**16:
        raise NanoscopeError(f"a port is 0 (any that is free) to 65535, not {port}")
    family, place = _resolved(where.host, port)
    opened = socket.socket(family)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(place)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise NanoscopeError(f"{where.host} is no address of this machine; give one with --host") from None
        raise NanoscopeError(f"port {port} cannot be opened ({error.strerror}); choose another with --port") from None
    opened.listen()
    return opened


def _resolved(host: str, port: int) -> tuple[int, Any]:
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError:
        raise NanoscopeError(f"{host!r} is no address; give one of this machine with --host, such as 0.0.0.0") from None
    return family, place
