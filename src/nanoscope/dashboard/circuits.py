"""The circuit of two texts: looked for at a click, with progress, and what it does with some of it switched off."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import Field

from nanoscope.dashboard.asked import Opened
from nanoscope.dashboard.jobs import Job
from nanoscope.dashboard.pairs import AskedPair, Texts, texts_of
from nanoscope.views import circuit, circuit_live
from nanoscope.views.circuit import FoundCircuit, Wanted
from nanoscope.views.circuit_live import Diagram, Judged, Switches, Within

router = APIRouter(prefix="/api")
MOST = 5000
"""Edges of a circuit, or switches, in a request."""
Name = Annotated[str, Field(min_length=1, max_length=40)]
Names = Annotated[list[Name], Field(max_length=MOST)]


class AskedCircuit(AskedPair):
    """How to look for the circuit; without a number of edges the smallest that is faithful."""

    method: Literal["exact", "eap", "eap-ig", "relp", "gim"] = "exact"
    edges: int | None = Field(None, ge=1, le=MOST)


class AskedSwitches(AskedPair):
    """A circuit's edges, and what is switched off: of the circuit alone, or of the whole model."""

    edges: Names
    off_edges: Names = Field(default_factory=list)
    off_nodes: Names = Field(default_factory=list)
    within: Within = "circuit"


@dataclass(frozen=True)
class Size:
    """A circuit of this many edges on the way to the one that was taken, and how faithful it is."""

    edges: int
    faithfulness: float


@dataclass(frozen=True)
class Found:
    """A circuit, its diagram, and how it was found."""

    edges: tuple[str, ...]
    of: int
    """Edges of the whole model."""
    connected: int
    """Edges without dead ends."""
    diagram: Diagram
    sizes: tuple[Size, ...]
    faithfulness: float
    clean: float
    corrupt: float
    """Logit of the answer minus logit of the wrong answer, in both texts."""
    answer: str
    wrong: str
    note: str
    doubt: str | None
    """Why shares and faithfulness may mislead."""
    seconds: float


def findable(session: Opened, asked: AskedCircuit) -> tuple[Texts, Wanted]:
    """NanoscopeError for texts of which no circuit can be found."""
    texts, wanted = texts_of(session, asked), Wanted(asked.method, asked.edges)
    with session.busy:
        circuit.require_findable(texts.checkpoint.model, texts.task, wanted)
    return texts, wanted


@router.post("/circuit")
async def find(session: Opened, asked: Annotated[tuple[Texts, Wanted], Depends(findable)]) -> StreamingResponse:
    """Look for it."""
    texts, wanted = asked

    def measure(job: Job) -> Iterator[Found]:
        with job.turn():
            found = circuit.find(texts.checkpoint.model, texts.task, texts.task, wanted, job.progress)
        yield _said(found, texts.between.answer, texts.between.wrong, texts.note)

    return session.jobs.streamed(measure)


@router.post("/circuit/run")
def run(session: Opened, asked: AskedSwitches) -> Judged:
    """What is left of the behaviour with the switches as they are."""
    with session.busy:
        texts = texts_of(session, asked)
        model = texts.checkpoint.model
        whole = circuit_live.chosen(model, asked.edges, asked.within)
        left = Switches(asked.off_edges, asked.off_nodes).of(whole)
        return circuit_live.judged(model, texts.task, left, texts.names)


def _said(found: FoundCircuit, answer: str, wrong: str, note: str) -> Found:
    sizes = zip(found.sizes.edges.tolist(), found.sizes.share.tolist(), strict=True)
    return Found(
        tuple(map(str, found.circuit.edges)),
        len(found.circuit.graph),
        len(found.circuit.connected),
        circuit_live.diagram(found),
        tuple(Size(*one) for one in sizes),
        found.faithful,
        found.clean,
        found.corrupt,
        answer,
        wrong,
        note,
        circuit.doubt(found),
        found.seconds,
    )
