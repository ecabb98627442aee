"""What the page may ask: typed and bounded parameters, and what they mean for an opened checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit
from nanoscope.interventions.run import Cache
from nanoscope.views import ablate, given_text
from nanoscope.views.ablate import How

LONGEST = 4000
"""Characters of a text; a model reads the last that fit its context."""
Number = Annotated[int, Query(ge=0, le=999)]
Text = Annotated[str, Query(min_length=1, max_length=LONGEST)]
NAME = r"[A-Za-z0-9.]+(\*-?[0-9.]+|[+-][0-9.]+)?"
Off = Annotated[str, Query(max_length=2000, pattern=rf"^({NAME}(,{NAME})*)?$")]
Replaced = Annotated[How, Query()]
Other = Annotated[str, Query(max_length=LONGEST)]


@dataclass(frozen=True)
class Asked:
    """A text for a model, as the model reads it, and the components that are changed."""

    session: Session
    number: int
    text: str
    note: str
    off: Sequence[str]
    how: How
    other: str

    @property
    def checkpoint(self) -> Checkpoint:
        return self.session.checkpoint(self.number)

    @property
    def edits(self) -> tuple[AnyEdit, ...]:
        """Runs the model where what is off has to be measured."""
        means = self._means() if self.how == "corpus" and self._takes_away else None
        known = self.session.raisable
        return ablate.changes(self.checkpoint, self.text, self.off, self.how, self.other, means, known)

    @property
    def _takes_away(self) -> bool:
        """Whether a component is replaced; features that are silenced are always 0."""
        return any(one.factor is None for one in ablate.components(self.off))

    @property
    def edits_of_a_growing_text(self) -> tuple[AnyEdit, ...]:
        """NanoscopeError where what is off takes its values from a text: it has none for what is yet to be written."""
        if self.how == "other" and self._takes_away:
            raise NanoscopeError(
                "text that is written on has more positions than the other text; replace what is off by zero or by a mean"
            )
        if any(self.session.is_of_a_transcoder(one) for one in ablate.features_of(self.off) if one.by is None):
            raise NanoscopeError("while text is written on, a transcoder's feature can be raised, not silenced")
        return self.edits

    def _means(self) -> Cache:
        """Measured once for a model."""
        return self.session.kept.measured(
            ("means", self.number), lambda: ablate.corpus_means(self.checkpoint, self.session.corpus(self.number))
        )


def session_of(request: Request) -> Session:
    return request.app.state.session


Opened = Annotated[Session, Depends(session_of)]


def number_of(session: Opened, model: Number = 0) -> int:
    """The number of a model that opens. NanoscopeError for another."""
    session.checkpoint(model)
    return model


OpenedModel = Annotated[int, Depends(number_of)]


def asked(
    session: Opened, text: Text, model: Number = 0, off: Off = "", how: Replaced = "zero", other: Other = ""
) -> Asked:
    prompt = given_text.prompt(session.checkpoint(model), text)
    return Asked(session, model, prompt.text, prompt.note, off.split(",") if off else [], how, other)


AskedText = Annotated[Asked, Depends(asked)]
