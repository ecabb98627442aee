"""What the page has had measured is measured once, however many ask for it at a time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from nanoscope.dashboard.kept import Kept


def test_two_who_ask_at_once_share_one_measurement() -> None:
    kept, begun, go = Kept(), Event(), Event()
    calls: list[int] = []

    def measure() -> int:
        calls.append(1)
        begun.set()
        assert go.wait(30)
        return 7

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(kept.measured, "it", measure)
        assert begun.wait(30)
        second = pool.submit(kept.measured, "it", measure)
        assert kept.measured("something else", lambda: 1) == 1
        go.set()
        assert (first.result(30), second.result(30), calls) == (7, 7, [1])


def test_what_could_not_be_measured_is_tried_again() -> None:
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.measured("it", lambda: 1 // 0)
    assert kept.measured("it", lambda: 3) == 3
