"""What the page may ask: typed and bounded parameters, and what they mean for an opened checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query, Request

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.session import Session
from nanoscope.interventions.edits import Edit
from nanoscope.views import given_text, live

LONGEST = 4000
"""Characters of a text; a model reads the last that fit its context."""
Number = Annotated[int, Query(ge=0, le=999)]
Text = Annotated[str, Query(min_length=1, max_length=LONGEST)]
Off = Annotated[str, Query(max_length=2000, pattern=r"^([A-Za-z0-9.]+(,[A-Za-z0-9.]+)*)?$")]
How = Annotated[Literal["zero", "mean"], Query()]


@dataclass(frozen=True)
class Asked:
    """A text for a model, as the model reads it, and the components that are off."""

    checkpoint: Checkpoint
    text: str
    note: str
    off: Sequence[str]
    how: Literal["zero", "mean"]

    @property
    def edits(self) -> tuple[Edit, ...]:
        return live.ablations(self.checkpoint, self.text, self.off, self.how)


def session_of(request: Request) -> Session:
    return request.app.state.session


Opened = Annotated[Session, Depends(session_of)]


def asked(session: Opened, text: Text, model: Number = 0, off: Off = "", how: How = "zero") -> Asked:
    checkpoint = session.checkpoint(model)
    prompt = given_text.prompt(checkpoint, text)
    return Asked(checkpoint, prompt.text, prompt.note, off.split(",") if off else [], how)


AskedText = Annotated[Asked, Depends(asked)]
