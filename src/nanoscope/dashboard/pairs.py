"""What the page asks about two texts: the bodies of requests, typed and bounded, and the task that they mean."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.asked import LONGEST, AskedText, Opened
from nanoscope.dashboard.session import Session
from nanoscope.tasks.task import Task
from nanoscope.views import pairs
from nanoscope.views.pairs import Pair
from nanoscope.views.patch import Compared, compared

router = APIRouter(prefix="/api")
Words = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Symbol = Annotated[str, Field(min_length=1, max_length=40)]


class AskedPair(BaseModel):
    """Two texts; without answers the texts' last symbols are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: int = Field(0, ge=0, le=999)
    clean: Words
    corrupt: Words
    answer: Symbol | None = None
    wrong: Symbol | None = None

    @model_validator(mode="after")
    def _both(self) -> "AskedPair":
        if (self.answer is None) != (self.wrong is None):
            raise ValueError("give both answers, or neither to compare the last symbols of the texts")
        return self


@dataclass(frozen=True)
class Texts:
    """Two texts as the model reads them, and what they are compared by."""

    checkpoint: Checkpoint
    task: Task
    between: Compared
    note: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.checkpoint.known_vocabulary.names(self.checkpoint.model.config.vocab_size)


def texts_of(session: Session, asked: AskedPair) -> Texts:
    """NanoscopeError for texts that cannot be compared."""
    checkpoint = session.checkpoint(asked.model)
    answers = None if asked.answer is None or asked.wrong is None else (asked.answer, asked.wrong)
    task, note = pairs.task_of(checkpoint, (asked.clean, asked.corrupt), answers)
    between = compared(checkpoint.known_vocabulary, checkpoint.model.config.vocab_size, task)
    return Texts(checkpoint, task, between, note)


@router.get("/pair")
def pair(session: Opened, asked: AskedText, corrupt: Annotated[str, Query(max_length=LONGEST)] = "") -> Pair:
    """A corrupt text for a clean one, unless it is given, and the symbols that the model expects after each."""
    with session.busy:
        return (
            pairs.given(asked.checkpoint, asked.text, corrupt)
            if corrupt
            else pairs.suggested(asked.checkpoint, asked.text)
        )
