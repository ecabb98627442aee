"""Text as Python and nanoGPT's `prepare.py` read a file: every line ends in `\\n`. A byte order mark is dropped."""

from __future__ import annotations

BYTE_ORDER_MARK = "\ufeff"


def plain_text(text: str) -> tuple[str, str]:
    """The text with the ends of its lines as `\\n` and without a byte order mark; and what was changed, "" if nothing."""
    plain = text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n")
    changed = ["its byte order mark was dropped"] if text.startswith(BYTE_ORDER_MARK) else []
    changed += [r"its line ends (\r\n or \r) are read as \n"] if "\r" in text else []
    return plain, " and ".join(changed)
