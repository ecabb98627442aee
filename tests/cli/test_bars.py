"""What a command shows while it works: a bar on a terminal, lines elsewhere, and only where there is something to wait for."""

import io

import pytest
from rich.console import Console

from nanoscope.cli import bars as shown

LONG = "the logits do not depend on the rest of the batch, nor on anything else that is said here at length"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be set."""
    now = [0.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_follows_the_pace_since_the_first_call(clock: list[float]) -> None:
    """What was done before the first call took no time of this call, as after an interruption."""
    pace = shown.Pace()
    pace.now(40, 100)
    assert (pace.left(), pace.words()) == (None, "")
    clock[0] = 30.0
    pace.now(50, 100)
    assert (pace.left(), pace.words()) == (150.0, ", about 2 min left")
    clock[0] = 60.0
    assert pace.left() == 120.0
    clock[0] = 999.0
    assert (pace.left(), pace.words()) == (0.0, "")


def test_elsewhere_each_part_is_a_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with shown.progress("heads") as show:
        show("attention", 0, 100)
        clock[0] = 20.0
        show("nulls", 25, 100)
        show("nulls", 30, 100)
        show("", 100, 100)
    assert capsys.readouterr().out == "heads: attention\nheads: nulls (25 % done, about 60 s left)\n"


@pytest.mark.parametrize("width", [80, 60, 30])
def test_on_a_terminal_it_is_one_line_that_fits(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(shown, "CONSOLE", Console(file=screen, force_terminal=True, width=width, color_system=None))
    bar = shown._Bar("check")
    bar("", 0, 9)
    bar(LONG, 3, 9)
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(bar.bar.get_renderable())
    bar.end()
    (line,) = console.export_text().splitlines()
    assert len(line) <= width
    assert line.startswith("check ━━━━")
    assert "33 %" in line
    assert line.rstrip().endswith("…")


def test_nothing_is_shown_of_what_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(shown, "CONSOLE", Console(file=screen, force_terminal=True, width=80))
    with pytest.raises(ValueError, match="no"), shown.progress("patching"):
        raise ValueError("no")
    assert screen.getvalue() == ""


def test_durations_are_read_at_a_glance() -> None:
    assert [shown.clock(seconds) for seconds in (0.2, 99, 150, 9000)] == ["0 s", "99 s", "2 min", "2.5 h"]
