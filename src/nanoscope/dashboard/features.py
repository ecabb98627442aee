"""Features of the opened dictionaries: those active on the text, at once; cards, after all were measured at a click."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from nanoscope.dashboard.asked import AskedText, Number, Opened
from nanoscope.dashboard.jobs import Job
from nanoscope.dashboard.neurons import Measured
from nanoscope.dashboard.session import OpenedDictionary
from nanoscope.errors import NanoscopeError
from nanoscope.views import feature_cards
from nanoscope.views.feature_cards import ActiveFeature
from nanoscope.views.feature_changes import feature_name
from nanoscope.views.features import Facts, FeatureView, Shown, Told
from nanoscope.views.neuron_cards import Weighed

router = APIRouter(prefix="/api")
Feature = Annotated[int, Query(ge=0, le=10**9)]


@dataclass(frozen=True)
class DictionaryOf:
    """A dictionary of a model, by its number among all that are open."""

    number: int
    source: str
    kind: str
    latents: int
    k: int
    path: str


@dataclass(frozen=True)
class Features:
    """The features active on a text; `measured` over the corpus, each is compared with its largest value there."""

    measured: bool
    features: tuple[ActiveFeature, ...]


@dataclass(frozen=True)
class FeatureFacts:
    """Where a feature is active over the corpus, and what it writes by its direct path, in logits at its largest value."""

    name: str
    density: float
    largest: float
    raises: tuple[Weighed, ...]
    lowers: tuple[Weighed, ...]
    examples: tuple[Shown, ...]


@dataclass(frozen=True)
class FeatureConcepts:
    """The concepts that a feature tells beyond shifted labels."""

    told: tuple[Told, ...]


@router.get("/dictionaries")
def dictionaries(session: Opened, model: Number = 0) -> list[DictionaryOf]:
    """The dictionaries of a model."""
    return [_said(number, one) for number, one in enumerate(session.dictionaries) if one.model == model]


@router.get("/features")
def features(session: Opened, asked: AskedText, dictionary: Number = 0, feature: Feature | None = None) -> Features:
    """The features active on the text, after the one that is asked for. Of the model as it is."""
    of, view = _of(session, dictionary), session.known_features(dictionary)
    largest = None if view is None else view.whole.largest
    first = [] if feature is None else [feature]
    with session.busy:
        found = feature_cards.on_text(session.checkpoint(of.model), of.dictionary, asked.text, 12, first, largest)
    return Features(view is not None, found)


@router.get("/features/card")
def card(session: Opened, feature: Feature, dictionary: Number = 0) -> FeatureFacts:
    """A feature over the corpus. NanoscopeError before all features were measured."""
    with session.busy:
        return _told(dictionary, _view(session, dictionary).facts(feature))


@router.get("/features/concepts")
def concepts(session: Opened, feature: Feature, dictionary: Number = 0) -> FeatureConcepts:
    """What a feature tells. NanoscopeError before all features were measured."""
    with session.busy:
        return FeatureConcepts(_view(session, dictionary).concepts_of(feature))


def measurable(session: Opened, dictionary: Number = 0) -> int:
    """The number of a dictionary that is open. NanoscopeError for another."""
    _of(session, dictionary)
    return dictionary


@router.post("/features/measure")
async def measure(session: Opened, dictionary: Annotated[int, Depends(measurable)]) -> StreamingResponse:
    """Measure a dictionary's features over the corpus, unless they have been."""

    def measured(job: Job) -> Iterator[Measured]:
        view = session.features(dictionary, job.progress)
        yield Measured(session.corpus(_of(session, dictionary).model).name, view.texts.whole.places.size)

    return session.jobs.streamed(measured)


def _of(session: Opened, number: int) -> OpenedDictionary:
    if number >= len(session.dictionaries):
        raise NanoscopeError(f"there is no dictionary {number}; {len(session.dictionaries)} are open, counted from 0")
    return session.dictionaries[number]


def _view(session: Opened, number: int) -> FeatureView:
    _of(session, number)
    view = session.known_features(number)
    if view is None:
        raise NanoscopeError("the features of this dictionary have not been measured yet; press Measure")
    return view


def _said(number: int, one: OpenedDictionary) -> DictionaryOf:
    shape = one.dictionary.coder.shape
    return DictionaryOf(number, str(one.dictionary.source), shape.kind, shape.latents, shape.k, str(one.path))


def _told(number: int, facts: Facts) -> FeatureFacts:
    raises, lowers = (tuple(Weighed(*one) for one in some) for some in (facts.raises, facts.lowers))
    name = feature_name(number, facts.feature)
    return FeatureFacts(name, facts.density, facts.largest, raises, lowers, facts.examples)
