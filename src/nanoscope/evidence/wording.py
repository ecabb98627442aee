"""From numbers to words: the only module that turns a measured value into text.

A wording is a Jinja template with `{value}` for a value and `{% if %}` for an optional part. Numbers get three significant
digits, counts get thousands separators, tuples become lists. Names and numbers are stored as they are and formatted here,
when a page is rendered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

Fact = float | int | str | bool | tuple[Any, ...]
"""A further measurement: a number, a name, or a tuple of them. A pair of a name and its number is a tuple too."""


def number(x: float, digits: int = 3) -> str:
    """A measured number for a sentence: three significant digits, no more than four decimals, no scientific notation."""
    if not math.isfinite(x):
        return "undefined"
    if abs(x) < 5e-5:
        return "0"
    size = math.floor(math.log10(float(f"{abs(x):.{digits - 1}e}")))
    return f"{x:,.{max(0, min(4, digits - 1 - size))}f}"


def size(x: float) -> str:
    """A number without its sign, where a word says which way it goes."""
    return number(abs(x))


def side(x: float, up: str, down: str) -> str:
    """The word for which way a number goes: `{value|size} {value|side("above", "below")} chance`."""
    return up if x >= 0 else down


def percent(x: float, digits: int = 1) -> str:
    """A share as a percentage."""
    return "undefined" if math.isnan(x) else f"{100 * x:.{digits}f} %"


def written(fact: Fact) -> str:
    """A fact as text: `L0H1, L1H2`, `L0 0.120, L1 0.300`, `newline (L0H1, L0H2); space (L1H0)`."""
    if isinstance(fact, tuple):
        return _listed(fact)
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, int):
        return f"{fact:,}"
    return number(fact) if isinstance(fact, float) else fact


def fill(wording: str, values: Mapping[str, Fact]) -> str:
    """Fill a wording with values; a `jinja2.UndefinedError` names a missing one."""
    return _template(wording).render(values)


def fill_file(template: Path, values: Mapping[str, object]) -> str:
    """Fill a page's template file with values; each wrapped paragraph becomes one line."""
    return unwrapped(_template(template.read_text(encoding="utf-8")).render(values).strip())


def fill_block(template: Path, block: str, values: Mapping[str, object]) -> str:
    """Fill one block of a page's template file; an empty text where it has no such block."""
    whole = _template(template.read_text(encoding="utf-8"))
    if block not in whole.blocks:
        return ""
    return unwrapped("".join(whole.blocks[block](whole.new_context(dict(values)))).strip())


def unwrapped(page: str) -> str:
    """Markdown with each paragraph and list item on one line. Tables, HTML, code and hard breaks are kept as they are."""
    lines: list[str] = []
    code = False
    for line in page.split("\n"):
        code ^= line.startswith("```")
        continues = not code and lines and _continues(lines[-1], line)
        lines[-1:] = [f"{lines[-1].rstrip()} {line.lstrip()}"] if continues else [*lines[-1:], line]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _continues(before: str, line: str) -> bool:
    """Whether a line goes on with the paragraph or the list item of the line before it."""
    open_item = _ITEM.match(before) and line.startswith("  ")
    return bool(_PROSE.match(line.lstrip()) and (_PROSE.match(before) or open_item) and not before.endswith("  "))


def capital(text: str) -> str:
    """The text with its first letter capitalised."""
    return text[:1].upper() + text[1:]


def each(facts: tuple[Fact, ...], form: str) -> tuple[str, ...]:
    """Format every fact: `{steps|each("{:.2f}")}`; a pair fills two placeholders."""
    return tuple(form.format(*fact) if isinstance(fact, tuple) else form.format(fact) for fact in facts)


_PROSE = re.compile(r"(?!#|\||\s|- |\d+\. |!\[|<|```)\S")
"""The beginning of a line of a paragraph."""
_ITEM = re.compile(r"- |\d+\. ")


def _listed(facts: tuple[Fact, ...]) -> str:
    if len(facts) == 2 and isinstance(facts[0], str) and not isinstance(facts[1], str):
        return f"{facts[0]} ({written(facts[1])})" if isinstance(facts[1], tuple) else f"{facts[0]} {written(facts[1])}"
    nested = any(isinstance(fact, tuple) and isinstance(fact[-1], tuple) for fact in facts)
    return ("; " if nested else ", ").join(written(fact) for fact in facts) or "none"


def _finalize(value: Any) -> Any:
    return written(value) if isinstance(value, (bool, int, float, tuple)) else value


@cache
def _template(wording: str) -> Template:
    return _WORDS.from_string(wording)


_WORDS = Environment(
    variable_start_string="{",
    variable_end_string="}",
    undefined=StrictUndefined,
    finalize=_finalize,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_WORDS.filters |= {"capital": capital, "number": number, "percent": percent, "each": each, "written": written}
_WORDS.filters |= {"size": size, "side": side}
