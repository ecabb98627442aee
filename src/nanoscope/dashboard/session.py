"""The checkpoints that a dashboard was opened on, each loaded when it is first asked for, and what was measured of them."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dashboard.jobs import Jobs
from nanoscope.dashboard.turns import Turns
from nanoscope.errors import NanoscopeError
from nanoscope.text.corpora import open_corpus
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.views.given_text import require_readable

REMEMBERED = 16


class Session:
    """Opened checkpoints by number. The page never names a path."""

    def __init__(self, paths: Sequence[Path], loaded: Sequence[Checkpoint] = (), data: str | None = None) -> None:
        """`loaded` are checkpoints that are open already, with the first of `paths` as their names; `data` is the text that
        models are measured on, as `open_corpus` takes it."""
        self.paths = tuple(paths)
        self.busy = Turns()
        """Taken while a model runs."""
        self.jobs = Jobs(self.busy)
        self._data = data
        self._loaded = dict(enumerate(loaded))
        self._loading = Lock()
        self._measured: dict[Hashable, Any] = {}
        self._lately: dict[Hashable, Any] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of folders with equal names, the folder above as well."""
        short = [path.name for path in self.paths]
        return tuple(
            name if short.count(name) == 1 else "/".join(path.parts[-2:])
            for name, path in zip(short, self.paths, strict=True)
        )

    def checkpoint(self, number: int) -> Checkpoint:
        """NanoscopeError if there is none of this number, or if it cannot be read."""
        if not 0 <= number < len(self.paths):
            raise NanoscopeError(f"there is no model {number}; {len(self.paths)} are open, counted from 0")
        with self._loading:
            if number not in self._loaded:
                self._loaded[number] = load(self.paths[number])
            return self._loaded[number]

    def corpus(self, number: int) -> Corpus:
        """The text that a model is measured on. NanoscopeError if the model cannot read it."""

        def opened() -> Corpus:
            checkpoint, corpus = self.checkpoint(number), open_corpus(self._data)
            require_readable(checkpoint, self.paths[number], corpus, self._data is not None)
            return corpus.read_by(checkpoint.vocabulary)

        return self.measured(("corpus", number), opened)

    def measured(self, what: Hashable, measure: Callable[[], Any]) -> Any:
        """What was measured before, else measured now and kept while the server runs."""
        if what not in self._measured:
            self._measured[what] = measure()
        return self._measured[what]

    def remembered(self, what: Hashable, measure: Callable[[], Any]) -> Any:
        """What was measured lately: the last `REMEMBERED` are kept, so that a switch costs one run and not two."""
        found = self._lately.pop(what, None)
        self._lately[what] = measure() if found is None else found
        while len(self._lately) > REMEMBERED:
            del self._lately[next(iter(self._lately))]
        return self._lately[what]

    def known(self, what: Hashable) -> Any:
        """What was measured before; None if it was not."""
        return self._measured.get(what)
