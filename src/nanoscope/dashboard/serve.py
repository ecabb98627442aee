"""Opening the page: a socket of this machine only, the browser, and the server until it is stopped."""

import socket
import webbrowser
from collections.abc import Callable
from threading import Thread

import uvicorn

from nanoscope.dashboard.app import application
from nanoscope.dashboard.guard import KEY, new_key
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError

HOST = "127.0.0.1"
GRACE = 2
"""Seconds that answers which are being written get to end after Ctrl-C."""


def serve(session: Session, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Answer until Ctrl-C. NanoscopeError for a port that is taken."""
    with listening(port) as opened:
        key = new_key()
        address = f"http://{HOST}:{opened.getsockname()[1]}/?{KEY}={key}"
        say(f"the dashboard: {address} (Ctrl-C ends it)")
        if browser:
            webbrowser.open(address)  # the socket listens: the first request waits in its queue
        Thread(target=session.stored.warm, daemon=True).start()
        config = uvicorn.Config(
            application(session, key), log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE
        )
        uvicorn.Server(config).run(sockets=[opened])


def listening(port: int) -> socket.socket:
    """A socket on this machine's own address; port 0 is any that is free."""
    if not 0 <= port < 2**16:
        raise NanoscopeError(f"a port is 0 (any that is free) to 65535, not {port}")
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
    except OSError as error:
        opened.close()
        raise NanoscopeError(f"port {port} cannot be opened ({error.strerror}); choose another with --port") from None
    opened.listen()
    return opened
