"""The checkpoints that a dashboard was opened on, each loaded when it is first asked for, and what was measured of them."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dashboard.jobs import Jobs
from nanoscope.dashboard.kept import Kept
from nanoscope.dashboard.measuring import Measuring
from nanoscope.dashboard.stored import Stored
from nanoscope.dashboard.turns import Turns
from nanoscope.errors import NanoscopeError
from nanoscope.text.corpora import open_corpus
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.views.given_text import require_readable
from nanoscope.views.opened import history

MINE = Path("runs/mine")
"""Where commands keep what they measure of a user's checkpoint, and the page too."""


class Session:
    """Opened checkpoints by number. The page never names a path."""

    def __init__(
        self,
        paths: Sequence[Path],
        loaded: Sequence[Checkpoint] = (),
        study: Path | None = None,
        keep: Path = MINE,
        data: str | None = None,
    ) -> None:
        """`loaded` are checkpoints that are open already, with the first of `paths` as their names; `study` is the folder
        whose results are shown, and measurements of the page are kept in `keep`; `data` is the text that models are measured
        on, as `open_corpus` takes it."""
        self.paths = tuple(paths)
        self.stored = Stored(study, keep)
        self.measuring = Measuring()
        self.busy = Turns()
        """Taken while a model runs."""
        self.jobs = Jobs(self.busy)
        self.kept = Kept()
        self._data = data
        self._loaded = dict(enumerate(loaded))
        self._loading = Lock()
        self._earlier: tuple[Path, Checkpoint] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The last part of each path, but for `final`, which every training has; of equal names, the folder above as well."""
        folders = [path.parent if path.name == "final" and path.parent.name else path for path in self.paths]
        short = [path.name for path in folders]
        return tuple(
            name if short.count(name) == 1 else "/".join(path.parts[-2:])
            for name, path in zip(short, folders, strict=True)
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

        return self.kept.measured(("corpus", number), opened)

    def at_step(self, number: int, step: int) -> Checkpoint:
        """An opened model as it was at a step of its training; the last such stays loaded. NanoscopeError if there is none."""
        kept = history(self.paths[number]) if number < len(self.paths) else {}
        if step not in kept:
            raise NanoscopeError(f"no checkpoint of step {step} was kept beside the model")
        with self._loading:
            if self._earlier is None or self._earlier[0] != kept[step]:
                self._earlier = (kept[step], load(kept[step]))
            return self._earlier[1]
