"""The checkpoints that a dashboard was opened on, each loaded when it is first asked for."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.errors import NanoscopeError


class Session:
    """Opened checkpoints by number. The page never names a path."""

    def __init__(self, paths: Sequence[Path], loaded: Sequence[Checkpoint] = ()) -> None:
        """`loaded` are checkpoints that are open already, with the first of `paths` as their names."""
        self.paths = tuple(paths)
        self.busy = Lock()
        """Held while the model runs: its threads use all cores, so that two runs at a time would both be slower."""
        self._loaded = dict(enumerate(loaded))
        self._loading = Lock()

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
