"""What the page has had measured: kept while the server runs, or, where it is cheap and there is much of it, for a while."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

LATELY = 16


class Kept:
    """Values by what they are of, such as `("tuned lens", 0)` of the first model."""

    def __init__(self) -> None:
        self._always: dict[Hashable, Any] = {}
        self._lately: dict[Hashable, Any] = {}
        self._turns: dict[Hashable, Lock] = {}

    def measured(self, what: Hashable, measure: Callable[[], Any]) -> Any:
        """What was measured before, else measured now; who asks meanwhile waits for it."""
        with self._turns.setdefault(what, Lock()):
            if what not in self._always:
                self._always[what] = measure()
            return self._always[what]

    def known(self, what: Hashable) -> Any:
        """What was measured before; None if it was not."""
        return self._always.get(what)

    def lately(self, what: Hashable, measure: Callable[[], Any]) -> Any:
        """One of the last `LATELY` values, else measured now: a switch then costs one run and not two."""
        found = self._lately.pop(what, None)
        self._lately[what] = measure() if found is None else found
        while len(self._lately) > LATELY:
            del self._lately[next(iter(self._lately))]
        return self._lately[what]
