"""The checkpoints that a dashboard was opened on, each loaded when it is first asked for, and what was measured of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dashboard.jobs import Jobs
from nanoscope.dashboard.kept import Kept
from nanoscope.dashboard.measuring import Measuring
from nanoscope.dashboard.turns import Turns
from nanoscope.dictionaries import store
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora import open_corpus
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.views.feature_changes import FeatureChange, OpenDictionary, require_own
from nanoscope.views.given_text import require_readable
from nanoscope.views.opened import history

if TYPE_CHECKING:
    from nanoscope.dashboard.stored import Stored
    from nanoscope.views.features import FeatureView

MINE = Path("runs/mine")
"""Where commands keep what they measure of a user's checkpoint, and the page too."""


@dataclass(frozen=True)
class OpenedDictionary:
    """A dictionary, where it lies, and the number of its model."""

    path: Path
    dictionary: Dictionary
    model: int


class Session:
    """Opened checkpoints by number. The page never names a path."""

    def __init__(
        self,
        paths: Sequence[Path],
        loaded: Sequence[Checkpoint] = (),
        study: Path | None = None,
        keep: Path = MINE,
        data: str | None = None,
        dictionaries: Sequence[Path] = (),
    ) -> None:
        """`loaded` are checkpoints that are open already, with the first of `paths` as their names; `study` is the folder
        whose results are shown, and measurements of the page are kept in `keep`; `data` is the text that models are measured
        on, as `open_corpus` takes it; `dictionaries` are folders of dictionaries of these checkpoints. NanoscopeError for a
        dictionary of none of them."""
        self.paths = tuple(paths)
        self.study, self.keep = study, keep
        self.measuring = Measuring()
        self.busy = Turns()
        """Taken while a model runs."""
        self.jobs = Jobs(self.busy)
        self.kept = Kept()
        self._data = data
        self._loaded = dict(enumerate(loaded))
        self._loading = Lock()
        self._earlier: tuple[Path, Checkpoint] | None = None
        self.dictionaries = tuple(self._opened(path) for path in dictionaries)

    @cached_property
    def stored(self) -> "Stored":
        from nanoscope.dashboard.stored import Stored  # noqa: PLC0415 - needs all experiments, which the first view does not

        return Stored(self.study, self.keep)

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

    def features(self, number: int, told: Progress = silent) -> "FeatureView":
        """The features of an opened dictionary over its model's text, measured once."""
        from nanoscope.views.features import FeatureView  # noqa: PLC0415 - as above

        of = self.dictionaries[number]

        def measured() -> FeatureView:
            view = FeatureView.of(of.dictionary, self.checkpoint(of.model), self.corpus(of.model), told)
            _ = view.whole  # measured here and kept
            return view

        return self.kept.measured(("features", number), measured)

    def known_features(self, number: int) -> "FeatureView | None":
        """The same if they were measured."""
        return self.kept.known(("features", number))

    @property
    def raisable(self) -> tuple[OpenDictionary, ...]:
        """The opened dictionaries. NanoscopeError where a feature is raised before they were measured."""
        return tuple(
            OpenDictionary(one.dictionary, partial(self._largest, n)) for n, one in enumerate(self.dictionaries)
        )

    def _largest(self, number: int) -> Float[np.ndarray, "latent"]:
        view = self.known_features(number)
        if view is None:
            raise NanoscopeError(
                f"the features of D{number} have not been measured yet, so there is no size to raise one by; press Measure in "
                "Neurons and features"
            )
        return view.whole.largest

    def is_of_a_transcoder(self, change: FeatureChange) -> bool:
        """Whether a change is of a transcoder's feature."""
        some = self.dictionaries[change.dictionary : change.dictionary + 1]
        return any(one.dictionary.source.transcoder for one in some)

    def _opened(self, path: Path) -> OpenedDictionary:
        """NanoscopeError, of the last model that was tried, if a dictionary is of none."""
        dictionary, why = store.load(path), "no checkpoint is open that it could be of; give it before --dictionary"
        for number in range(len(self.paths)):
            try:
                require_own(dictionary, self.checkpoint(number))
            except NanoscopeError as error:
                why = str(error)
            else:
                return OpenedDictionary(path, dictionary, number)
        raise NanoscopeError(f"{path}: {why}")

    def at_step(self, number: int, step: int) -> Checkpoint:
        """An opened model as it was at a step of its training; the last such stays loaded. NanoscopeError if there is none."""
        kept = history(self.paths[number]) if number < len(self.paths) else {}
        if step not in kept:
            raise NanoscopeError(f"no checkpoint of step {step} was kept beside the model")
        with self._loading:
            if self._earlier is None or self._earlier[0] != kept[step]:
                self._earlier = (kept[step], load(kept[step]))
            return self._earlier[1]
