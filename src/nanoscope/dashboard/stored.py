"""The stored results that a dashboard was opened on: a study, read once, and where measurements of the page are kept."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TypeVar

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.views import measured_heads, stored_circuits, stored_findings, stored_heads, stored_training
from nanoscope.views.stored_circuits import StoredCircuit
from nanoscope.views.stored_findings import ShownSection
from nanoscope.views.stored_heads import HeadTable
from nanoscope.views.stored_training import TrainingHistory

Named = TypeVar("Named")
NONE = "no study is open; give the folder of one: nanoscope open CKPT FOLDER"


@dataclass(frozen=True)
class Index:
    """What is stored: the models with head results and the recipes that were followed, by their numbers."""

    folder: str
    name: str
    """Of the study; its folder's name for a user's own results."""
    main: str
    date: str
    left_aside: str
    heads: tuple[str, ...]
    trainings: tuple[str, ...]
    circuits: tuple[str, ...]
    """Model and task of each stored circuit."""


@dataclass(frozen=True)
class OpenedHeads:
    """What is known of an opened checkpoint's heads."""

    stored: int
    """The number of the study's model with this checkpoint's heads; -1 if there is none."""
    table: HeadTable | None
    """What was measured of it by this version, outside the study."""
    seconds: float
    """About how long measuring takes here."""


class Stored:
    """A study's results, read when they are first asked for."""

    def __init__(self, folder: Path | None, keep: Path) -> None:
        self.folder, self.keep = folder, keep
        self._reading = Lock()

    @property
    def study(self) -> Study:
        """NanoscopeError if none was opened, or if it cannot be read."""
        with self._reading:
            return self._study

    @cached_property
    def _study(self) -> Study:
        if self.folder is None:
            raise NanoscopeError(NONE)
        return in_todays_words(read_study(self.folder))

    @cached_property
    def sections(self) -> tuple[ShownSection, ...]:
        return stored_findings.sections(self.study)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The models whose heads were measured."""
        return tuple(label for label in self.study.labels if self.study.result(label, "heads"))

    @cached_property
    def recipes(self) -> tuple[str, ...]:
        """The recipes whose trainings were followed."""
        return stored_training.recipes(self.study)

    @cached_property
    def tasks(self) -> tuple[tuple[str, str], ...]:
        """The models and tasks of which a circuit is stored."""
        return stored_circuits.stored_tasks(self.study)

    def warm(self) -> None:
        """Read the study before the page asks for it; what is wrong with it is said when it does."""
        if self.folder is not None:
            with suppress(NanoscopeError):
                _ = self.sections

    @property
    def index(self) -> Index:
        study, folder = self.study, str(self.folder)
        circuits = tuple(f"{label}: {task}" for label, task in self.tasks)
        about = (folder, study.name or folder, study.main, study.date, study.left_aside)
        return Index(*about, self.labels, self.recipes, circuits)

    def heads(self, number: int) -> HeadTable:
        """NanoscopeError if there is no such model."""
        return stored_heads.head_table(self.study, _numbered(self.labels, number))

    def circuit(self, number: int) -> StoredCircuit:
        """NanoscopeError if there is no such circuit."""
        return stored_circuits.stored_circuit(self.study, *_numbered(self.tasks, number))

    def training(self, number: int) -> TrainingHistory:
        """NanoscopeError if there is no such recipe."""
        return stored_training.history(self.study, _numbered(self.recipes, number))

    def opened_heads(self, checkpoint: Checkpoint) -> OpenedHeads:
        """The heads of an opened checkpoint, as the study or an earlier measurement of the page has them."""
        labels = self.labels if self.folder else ()
        known = {self._checkpoint(label): number for number, label in enumerate(labels)}
        found = measured_heads.kept(self.keep, checkpoint.sha256)
        table = stored_heads.table(found, stored_heads.measures(found)) if found else None
        return OpenedHeads(known.get(checkpoint.sha256, -1), table, measured_heads.seconds(checkpoint))

    def _checkpoint(self, label: str) -> str:
        result = self.study.result(label, "heads")
        return str(result.identity["checkpoint"]) if result else ""


def _numbered(names: tuple[Named, ...], number: int) -> Named:
    if not 0 <= number < len(names):
        raise NanoscopeError(f"there is nothing of number {number}; {len(names)} are stored, counted from 0")
    return names[number]
