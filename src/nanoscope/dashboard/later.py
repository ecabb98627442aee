"""Addresses whose modules are imported when one of them is first asked for.

The measuring views need scipy, matplotlib and all experiments, whose import takes longer than the first view of a text.
"""

from collections.abc import Callable, Container
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send


class Later:
    """Calls `load` once, before the first request for an address of the server's own that is not among those `at_once`."""

    def __init__(self, app: ASGIApp, at_once: Container[str], load: Callable[[], None]) -> None:
        self.app, self.at_once, self.load = app, at_once, load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith("/api/") and path not in self.at_once:
            await run_in_threadpool(self.load)
        await self.app(scope, receive, send)


class Once:
    """A function that is called once, however many ask for it, and at the same time."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function
        self._calling = Lock()

    def __call__(self) -> None:
        with self._calling:
            if self._function is not None:
                self._function()
                self._function = None
