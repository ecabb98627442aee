"""Who may run a model: one at a time, since its threads use all cores; a request of the page before the next part of a long
measurement."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock

PATIENCE = 1.0
"""Seconds that a long measurement lets others go first; then it takes its turn, so that it ends even on a busy server."""


class Turns:
    """`with turns:` waits for one's turn. A long measurement takes its turns by `after_others`, and offers them in between."""

    def __init__(self) -> None:
        self._model = Lock()
        self._asking = Condition()
        self._waiting = 0

    def __enter__(self) -> None:
        with self._asking:
            self._waiting += 1
        self._model.acquire()
        with self._asking:
            self._waiting -= 1
            self._asking.notify_all()

    def __exit__(self, *_: object) -> None:
        self._model.release()

    @contextmanager
    def after_others(self) -> Iterator[None]:
        """A turn that begins when no request of the page waits, or has waited for `PATIENCE`."""
        self._take_late()
        try:
            yield
        finally:
            self._model.release()

    def offer(self) -> None:
        """In a turn that began `after_others`: let those go first who wait by now."""
        if self._waiting:
            self._model.release()
            self._take_late()

    def _take_late(self) -> None:
        with self._asking:
            self._asking.wait_for(lambda: self._waiting == 0, PATIENCE)
        self._model.acquire()
