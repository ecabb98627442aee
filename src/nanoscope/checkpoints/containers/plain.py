"""Plain values: what the tables of a file may hold. Numbers, texts, and lists and dictionaries of these, without end or depth.

An object's stand-in is plain by its attributes (argparse's Namespace, a dataclass, a config class), by its entries or items
(a subclass of dict or list), or by the one value it was made from (an enum's member). A function's is its dotted name.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nanoscope.pickles import Named, StandIn

DEPTH, PARTS = 8, 1_000_000
"""Deeper or larger values are not plain: a list may hold itself, or each of two lists the next one twice."""


def plain(value: Any) -> Any:
    """A value that `is_plain`, made plain."""
    value = opened(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return value


def opened(value: Any) -> Any:
    """What a stand-in says, as a dictionary, a list, a text or one value; a number in a tensor; anything else unchanged."""
    if isinstance(value, Named):
        return str(value)
    if isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex():
        return value.item()
    if not isinstance(value, StandIn):
        return value
    if value.state or value.entries:
        inside = value.state.get("_val", value.state.get("_content"))  # of OmegaConf's settings
        return {**value.state, **value.entries} if inside is None else inside
    if value.items:
        return value.items
    return value.args[0] if len(value.args) == 1 else {}


def table(value: Any, left: list[int] | None = None) -> dict[str, Any]:
    """The plain values of a dictionary or an object: name -> value; whatever else it holds is left out. `left` counts the
    parts that may still be looked at, where several tables share one allowance."""
    left = [PARTS] if left is None else left
    entries = value
    for _ in range(DEPTH):
        entries = opened(entries)
    if not isinstance(entries, dict):
        return {}
    return {key: plain(one) for key, one in entries.items() if isinstance(key, str) and _is_plain(one, DEPTH, left)}


def _is_plain(value: Any, depth: int, left: list[int]) -> bool:
    left[0] -= 1
    if depth == 0 or left[0] < 0:
        return False
    was, value = value, opened(value)
    if was is not value:
        return _is_plain(value, depth - 1, left)
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and _is_plain(item, depth - 1, left) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item, depth - 1, left) for item in value)
    if isinstance(value, int):
        return value.bit_length() <= 64
    return isinstance(value, (float, str, type(None)))
