"""The addresses of what is stored: findings, figures, heads, circuits, trainings; and measuring an opened model's heads."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import StreamingResponse

from nanoscope.dashboard.api import said_of_lens
from nanoscope.dashboard.asked import AskedText, Number, Opened
from nanoscope.dashboard.messages import answer
from nanoscope.views import live
from nanoscope.views.opened import history
from nanoscope.views.stored_figures import Kind, picture

router = APIRouter(prefix="/api")
Key = Annotated[str, Query(pattern=r"^[a-z_]{1,40}-[0-9a-f]{12}$")]
Name = Annotated[str, Query(pattern=r"^[a-z0-9_]{1,60}$")]
Step = Annotated[int, Query(ge=0, le=10**9)]
AGAIN = 30
"""Seconds after which a page that was refused a measurement may ask again."""


@router.get("/stored")
def stored(session: Opened) -> Response:
    """What is stored, by numbers."""
    return answer(session.stored.index)


@router.get("/findings")
def findings(session: Opened) -> Response:
    """The findings of the study."""
    return answer(session.stored.sections)


@router.get("/figure")
def figure(session: Opened, result: Key, name: Name, kind: Kind = "png") -> Response:
    """One figure of one of the study's results."""
    of = session.stored
    found = picture(of.study, of.folder or of.keep, result, name, kind)
    return Response(found, 200, None, "image/png" if kind == "png" else "image/svg+xml")


@router.get("/heads/stored")
def heads(session: Opened, number: Number = 0) -> Response:
    """Every head of one of the study's models."""
    return answer(session.stored.heads(number))


@router.get("/heads/opened")
def opened_heads(session: Opened, model: Number = 0) -> Response:
    """What is known of an opened checkpoint's heads, and how long measuring them takes."""
    checkpoint = session.checkpoint(model)
    with session.busy:
        return answer(session.stored.opened_heads(checkpoint))


@router.post("/heads/measure")
def measure(session: Opened, model: Number = 0) -> Response:
    """Measure an opened checkpoint's heads: lines of progress as JSON, the last one says how it ended. Leaving cancels it."""
    session.checkpoint(model)
    if not session.measuring.start(session.paths[model], session.stored.keep):
        raise HTTPException(429, "a measurement runs already; wait for it or cancel it", {"Retry-After": str(AGAIN)})
    return StreamingResponse(session.measuring.lines(), media_type="application/x-ndjson")


@router.get("/circuits/stored")
def circuits(session: Opened, number: Number = 0) -> Response:
    """One of the study's circuits."""
    return answer(session.stored.circuit(number))


@router.get("/training")
def training(session: Opened, number: Number = 0) -> Response:
    """The curves and events of one recipe's trainings."""
    return answer(session.stored.training(number))


@router.get("/steps")
def steps(session: Opened, model: Number = 0) -> list[int]:
    """The steps of the checkpoints that were kept of an opened model's training."""
    session.checkpoint(model)
    return sorted(history(session.paths[model]))


@router.get("/step")
def step(session: Opened, asked: AskedText, step: Step, model: Number = 0) -> dict[str, Any]:
    """The lens on a text, as the model was at an earlier step of its training."""
    with session.busy:
        earlier = session.at_step(model, step)
        return said_of_lens(asked.note, live.lens(earlier, asked.text))
