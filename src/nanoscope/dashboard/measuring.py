"""Measuring for the page: one measurement at a time, in a process of its own that ends when nobody waits for it any more.

Finished stages of it are kept, so that a cancelled measurement goes on where it was.
"""

import json
from collections.abc import AsyncIterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock

from starlette.concurrency import run_in_threadpool

from nanoscope.errors import NanoscopeError

BEAT = 0.5
"""Seconds between lines at most."""
PATIENCE = 3.0
"""Seconds that a new measurement waits for a cancelled one to end."""


class Measuring:
    """The measurement that runs, if one does."""

    def __init__(self) -> None:
        self._starting = Lock()
        self._process: BaseProcess | None = None
        self._told: Connection | None = None

    def start(self, path: Path, folder: Path) -> bool:
        """Begin to measure the heads of a checkpoint; False if a measurement runs already."""
        with self._starting:
            if self._process is not None:
                self._process.join(PATIENCE)
                if self._process.is_alive():
                    return False
            spawn = get_context("spawn")
            self._told, telling = spawn.Pipe(duplex=False)
            self._process = spawn.Process(target=_measure, args=(path, folder, telling), daemon=True)
            self._process.start()
            telling.close()
            return True

    async def lines(self) -> AsyncIterator[str]:
        """What the measurement tells, one JSON object a line, and an empty one while it says nothing."""
        told, process = self._told, self._process
        assert told is not None
        assert process is not None
        try:
            while True:
                said = await run_in_threadpool(_next, told)
                yield json.dumps(said) + "\n"
                if "ended" in said or "error" in said:
                    return
        finally:
            process.terminate()


def _next(told: Connection) -> dict[str, object]:
    try:
        return told.recv() if told.poll(BEAT) else {}
    except (EOFError, OSError):
        return {"error": "the measurement ended early; start it again, and it goes on where it was"}


def _measure(path: Path, folder: Path, telling: Connection) -> None:
    from nanoscope.views.measured_heads import measured  # noqa: PLC0415 - in the process that measures

    try:
        measured(path, folder, lambda part, done, of: telling.send({"part": part, "done": done, "of": of}))
        telling.send({"ended": True})
    except NanoscopeError as error:
        telling.send({"error": " ".join(str(error).split())})
