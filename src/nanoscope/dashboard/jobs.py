"""Long measurements: few at a time, each tells how far it is in lines of JSON, and ends when nobody reads them any more.

A line is `{"progress": [part, done, of]}`, `{"value": ...}`, `{"error": "..."}`, and at the end `{"end": true}`.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from threading import BoundedSemaphore, Event, Thread
from typing import Any

from fastapi import HTTPException
from fastapi.responses import StreamingResponse

from nanoscope.dashboard.turns import Turns
from nanoscope.errors import NanoscopeError

MOST = 2
"""Measurements at a time."""
LONGEST = 900.0
"""Seconds that one may take."""
RETRY = 2
"""Seconds after which to ask again where `MOST` are running."""
NAME = "measurement"
"""Of the threads that measure."""
EVERY = 0.05
"""Seconds between two lines of progress."""
Send = Callable[[dict[str, Any]], object]


class Cancelled(Exception):
    """Nobody waits for the measurement any more."""


class Job:
    """One measurement. Whatever takes long calls `progress` now and then: there it ends where it has been cancelled."""

    def __init__(self, turns: Turns, send: Send) -> None:
        self.cancelled = Event()
        self._turns, self._send = turns, send
        self._ends, self._said, self._in_turn = time.monotonic() + LONGEST, 0.0, False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run the model while no request of the page does, for work that calls `progress` often. Other work runs beside the
        page's, where both are slower but none waits."""
        with self._turns.after_others():
            self._in_turn = True
            yield
            self._in_turn = False

    def progress(self, part: str, done: int, of: int) -> None:
        """Say how far it is, and let requests of the page go first. Cancelled, or NanoscopeError after `LONGEST`."""
        if self.cancelled.is_set():
            raise Cancelled
        now = time.monotonic()
        if now > self._ends:
            raise NanoscopeError(f"stopped after {LONGEST / 60:.0f} minutes; ask for less, or use the command line")
        if now - self._said >= EVERY:
            self._said = now
            self._send({"progress": [part, done, of]})
        if self._in_turn:
            self._turns.offer()


class Jobs:
    """The measurements of one server."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._free = BoundedSemaphore(MOST)

    def streamed(self, measure: Callable[[Job], Iterator[Any]]) -> StreamingResponse:
        """The dataclasses that `measure` yields, as they come. To be called where a loop runs. 429 where `MOST` are running."""
        if not self._free.acquire(blocking=False):
            words = f"{MOST} measurements are running; ask again in a moment"
            raise HTTPException(429, words, {"Retry-After": str(RETRY)})
        loop, lines = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()
        send = partial(loop.call_soon_threadsafe, lines.put_nowait)
        job = Job(self._turns, send)
        Thread(target=self._run, name=NAME, args=(job, measure, send), daemon=True).start()
        return StreamingResponse(_lines(job, lines), media_type="application/x-ndjson")

    def _run(self, job: Job, measure: Callable[[Job], Iterator[Any]], send: Send) -> None:
        try:
            for value in measure(job):
                send({"value": asdict(value)})
            send({"end": True})
        except Cancelled:
            pass
        except NanoscopeError as error:
            send({"error": " ".join(str(error).split())})
        except Exception:
            logging.getLogger(__name__).exception("a measurement failed")
            send({"error": "the measurement failed; the terminal of the server shows where"})
        finally:
            self._free.release()


async def _lines(job: Job, lines: asyncio.Queue[dict[str, Any]]) -> AsyncIterator[str]:
    try:
        while True:
            line = await lines.get()
            yield json.dumps(line, allow_nan=False) + "\n"
            if "progress" not in line and "value" not in line:
                return
    finally:
        job.cancelled.set()
