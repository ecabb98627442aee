"""How a command shows what it is doing: a bar with the time left on a terminal, a line for each part elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from nanoscope.cli.console import CONSOLE, say
from nanoscope.progress import Progress

BAR = 12
"""Width of the bar, so that a line fits 60 columns."""


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A function to tell progress to, for the length of a block. Nothing is shown before it is first called."""
    shown = _Bar(what) if CONSOLE.is_terminal else _Lines(what)
    try:
        yield shown
    finally:
        shown.end()


def clock(seconds: float) -> str:
    """A duration as `42 s`, `3 min` or `2.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


@dataclass
class Pace:
    """The time left, at the mean pace since the first call: what was done before it took no time."""

    calls: list[tuple[float, int, int]] = field(default_factory=list)
    """The first call and the latest: its time, how much was done, and of how much."""

    def now(self, done: int, of: int) -> None:
        self.calls = [*self.calls[:1], (time.monotonic(), done, of)]

    def left(self) -> float | None:
        """Seconds left; None before anything was done."""
        (began, first, _), (at, done, of) = self.calls[0], self.calls[-1]
        if done == first:
            return None
        return max(0.0, (at - began) / (done - first) * (of - done) - (time.monotonic() - at))

    def words(self) -> str:
        left = self.left()
        return "" if left is None or left < 1 else f", about {clock(left)} left"


class _Lines:
    """Prints a line as each part begins, as in a log or a notebook."""

    def __init__(self, what: str) -> None:
        self.what, self.part, self.pace = what, "", Pace()

    def __call__(self, part: str, done: int, of: int) -> None:
        self.pace.now(done, of)
        if part and part != self.part:
            share = f" ({100 * done / of:.0f} % done{self.pace.words()})" if done else ""
            say(f"{self.what}: {part}{share}", style="dim")
        self.part = part

    def end(self) -> None:
        """Nothing remains to be done."""


class _Bar:
    """One line: a bar, the share done, the time left and the part that is running; it is removed at the end."""

    def __init__(self, what: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(BAR), _State(CONSOLE.width - BAR - len(what) - 2))
        self.pace = Pace()
        self.bar = Bar(*columns, console=CONSOLE, transient=True)
        self.task = self.bar.add_task(what, part="", pace=self.pace)

    def __call__(self, part: str, done: int, of: int) -> None:
        self.pace.now(done, of)
        self.bar.update(self.task, completed=done, total=of, part=part)
        self.bar.start()

    def end(self) -> None:
        self.bar.stop()


class _State(ProgressColumn):
    """The share that is done, the time left, counted down, and the part that is running; no wider than `room`."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = max(room, 1)

    def render(self, task: Task) -> Text:
        share, part = f"{task.percentage:.0f} %{task.fields['pace'].words()}", task.fields["part"]
        text = Text.assemble(share, (f"  {part}", "dim"), no_wrap=True)
        text.truncate(self.room, overflow="ellipsis")
        return text
