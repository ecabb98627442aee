"""Neurons: those active on the text, at once; the card of one, after all were measured over the corpus at a click."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from nanoscope.dashboard.asked import AskedText, Number, Opened, OpenedModel
from nanoscope.dashboard.jobs import Job
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError
from nanoscope.views import neuron_cards
from nanoscope.views.neuron_cards import Card, Concepts, OnText
from nanoscope.views.neurons import NeuronsOverText

router = APIRouter(prefix="/api")
Name = Annotated[str, Query(min_length=1, max_length=40)]


@dataclass(frozen=True)
class Neurons:
    """The neurons most active on a text; `measured` over the corpus, each is compared with its largest activation there."""

    measured: bool
    neurons: tuple[OnText, ...]


@dataclass(frozen=True)
class Measured:
    """Over what the neurons were measured."""

    corpus: str
    characters: int


@router.get("/neurons")
def neurons(session: Opened, asked: AskedText, neuron: Annotated[str, Query(max_length=40)] = "") -> Neurons:
    """The neurons most active on the text, after the one that is asked for."""
    over = session.kept.known(("neurons", asked.number))
    first = [neuron_cards.named(neuron)] if neuron else []
    with session.busy:
        return Neurons(over is not None, neuron_cards.on_text(asked.checkpoint, asked.text, 12, first, over))


@router.get("/neurons/card")
def card(session: Opened, neuron: Name, model: Number = 0) -> Card:
    """One neuron's card. NanoscopeError before all neurons were measured."""
    with session.busy:
        return neuron_cards.card(_measured(session, model), neuron_cards.named(neuron))


@router.get("/neurons/concepts")
def concepts(session: Opened, neuron: Name, model: Number = 0) -> Concepts:
    """What one neuron is on for, and silent on. NanoscopeError before all neurons were measured."""
    with session.busy:
        return neuron_cards.concepts(_measured(session, model), neuron_cards.named(neuron))


@router.post("/neurons/measure")
async def measure(session: Opened, model: OpenedModel) -> StreamingResponse:
    """Measure all neurons over the corpus, unless they have been."""

    def measured(job: Job) -> Iterator[Measured]:
        job.progress("every neuron on the corpus", 0, 1)
        over: NeuronsOverText = session.kept.measured(("neurons", model), lambda: _over(session, model, job))
        yield Measured(over.setting.subject.corpus.name, over.setting.whole.places.size)

    return session.jobs.streamed(measured)


def _measured(session: Session, number: int) -> NeuronsOverText:
    over = session.kept.known(("neurons", number))
    if over is None:
        raise NanoscopeError("the neurons of this model have not been measured yet; press Measure")
    return over


def _over(session: Session, number: int, job: Job) -> NeuronsOverText:
    label = f"the model {session.paths[number]}"
    found = NeuronsOverText.of(session.checkpoint(number), session.corpus(number), label, job.progress)
    _ = found.over  # computed here and kept
    return found
