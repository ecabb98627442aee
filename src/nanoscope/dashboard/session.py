"""The checkpoints that a dashboard was opened on, each loaded when it is first asked for."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.dashboard.measuring import Measuring
from nanoscope.dashboard.stored import Stored
from nanoscope.errors import NanoscopeError
from nanoscope.views.opened import history

MINE = Path("runs/mine")
"""Where commands keep what they measure of a user's checkpoint, and the page too."""


class Session:
    """Opened checkpoints by number. The page never names a path."""

    def __init__(
        self, paths: Sequence[Path], loaded: Sequence[Checkpoint] = (), study: Path | None = None, keep: Path = MINE
    ) -> None:
        """`loaded` are checkpoints that are open already, with the first of `paths` as their names; `study` is the folder
        whose results are shown, and measurements of the page are kept in `keep`."""
        self.paths = tuple(paths)
        self.stored = Stored(study, keep)
        self.measuring = Measuring()
        self.busy = Lock()
        """Held while the model runs: its threads use all cores, so that two runs at a time would both be slower."""
        self._loaded = dict(enumerate(loaded))
        self._loading = Lock()
        self._earlier: tuple[Path, Checkpoint] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The last part of each path, but for `final`, which every training has; of equal names, the folder above as well."""
        parts = [path.parts[:-1] if path.name == "final" and len(path.parts) > 1 else path.parts for path in self.paths]
        short = [one[-1] for one in parts]
        return tuple(
            name if short.count(name) == 1 else "/".join(one[-2:]) for name, one in zip(short, parts, strict=True)
        )

    def checkpoint(self, number: int) -> Checkpoint:
        """NanoscopeError if there is none of this number, or if it cannot be read."""
        if not 0 <= number < len(self.paths):
            raise NanoscopeError(f"there is no model {number}; {len(self.paths)} are open, counted from 0")
        with self._loading:
            if number not in self._loaded:
                self._loaded[number] = load(self.paths[number])
            return self._loaded[number]

    def at_step(self, number: int, step: int) -> Checkpoint:
        """An opened model as it was at a step of its training; the last such stays loaded. NanoscopeError if there is none."""
        kept = history(self.paths[number]) if number < len(self.paths) else {}
        if step not in kept:
            raise NanoscopeError(f"no checkpoint of step {step} was kept beside the model")
        with self._loading:
            if self._earlier is None or self._earlier[0] != kept[step]:
                self._earlier = (kept[step], load(kept[step]))
            return self._earlier[1]
