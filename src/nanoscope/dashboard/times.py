"""How long what takes a while would take, said before a click."""

from fastapi import APIRouter

from nanoscope.dashboard.asked import Number, Opened
from nanoscope.views.costs import Costs, costs

router = APIRouter(prefix="/api")


@router.get("/costs")
def seconds(session: Opened, model: Number = 0) -> Costs:
    """Timed once for a model."""
    checkpoint = session.checkpoint(model)
    with session.busy:
        return session.kept.measured(("costs", model), lambda: costs(checkpoint))
