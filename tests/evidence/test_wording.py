"""Words from numbers: every kind of fact as a reader sees it."""

import math

import pytest

from nanoscope.evidence.wording import Fact, fill, number, percent, unwrapped, written


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (0.12345, "0.123"),
        (12345, "12,345"),
        (12345.0, "12,345"),
        (math.nan, "undefined"),
        (True, "yes"),
        ("L0H1", "L0H1"),
        ((), "none"),
        (("L0H1",), "L0H1"),
        (("L0H1", "L1H2"), "L0H1, L1H2"),
        ((0.5, 0.25), "0.500, 0.250"),
        (("L0", 0.5), "L0 0.500"),
        ((("L0", 0.5), ("L1", 2)), "L0 0.500, L1 2"),
        ((("newline", ("L0H1", "L0H2")), ("space", ("L1H0",))), "newline (L0H1, L0H2); space (L1H0)"),
    ],
)
def test_a_fact_is_written(fact: Fact, text: str) -> None:
    assert written(fact) == text
    assert fill("it is {fact}", {"fact": fact}) == f"it is {text}"


def test_a_wording_has_formats_and_conditions() -> None:
    below = "{x|size} {x|side('above', 'below')} chance"
    assert [fill(below, {"x": x}) for x in (0.5, -0.283)] == ["0.500 above chance", "0.283 below chance"]
    assert fill("{x|percent} of {n}", {"x": 0.1234, "n": 1000}) == "12.3 % of 1,000"
    assert fill('{steps|each("{} at {:.0f}")}', {"steps": (("one", 1.6), ("two", 2.4))}) == "one at 2, two at 2"
    silent = "{% if widths %}Left out: {widths}. {% endif %}Done"
    assert fill(silent, {"widths": (1, 64)}) == "Left out: 1, 64. Done"
    assert fill(silent, {"widths": ()}) == "Done"


def test_numbers_are_written_for_readers() -> None:
    said = {
        0.12345: "0.123",
        12.345: "12.3",
        1234.5: "1,234",
        -0.00012: "-0.0001",
        0.0: "0",
        0.99996: "1.00",
        1.0: "1.00",
    }
    assert {x: number(x) for x in said} == said
    assert number(math.nan) == number(-math.inf) == "undefined"
    assert (percent(0.5), percent(math.nan)) == ("50.0 %", "undefined")


def test_paragraphs_become_one_line_and_all_else_stays() -> None:
    code = "```bash\nls\n  cd\n```\n"
    kept = f"# A\n\n1. one\n\n{code}\n| a | b |\n|---|---|\n| 1 | 2 |\n\n**Status**: yes  \n**Book**: no\n\n- x\n- y\n"
    assert unwrapped(kept) == kept
    assert unwrapped("1. one\n   goes on\n- two\n  goes on\n") == "1. one goes on\n- two goes on\n"
    assert unwrapped("one\ntwo\n**three**\n\n\n\nfour") == "one two **three**\n\nfour"
