"""How work tells how far it is: it calls a function that it is given, as each of its parts begins."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the part that begins, how much is done, and of how much; at the end once more, with an empty name."""


def silent(part: str, done: int, of: int) -> None:
    """No progress is shown."""
