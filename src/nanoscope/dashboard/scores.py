"""Why a head looks where it does: its score of one key for one query, shared out among pairs of writes."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from nanoscope.dashboard.asked import AskedText, Opened
from nanoscope.views import why

router = APIRouter(prefix="/api")
Place = Annotated[int | None, Query(ge=0, le=1_000_000)]


@dataclass(frozen=True)
class Reason:
    """A score less the mean of all keys that the query sees, and the parts that sum to it: `[into query, into key]`, nats."""

    head: str
    query: int
    key: int
    sentence: str
    names: tuple[str, ...]
    parts: tuple[tuple[float, ...], ...]
    total: float
    attention: float


@router.get("/why")
def reason(
    session: Opened,
    asked: AskedText,
    head: Annotated[str, Query(min_length=1, max_length=20)],
    query: Place = None,
    attended: Place = None,
) -> Reason:
    """Of the model as it is: nothing is off. `attended` is the key's position (`key` is the server's)."""
    with session.busy:
        found = why.why(asked.checkpoint, asked.text, head, query, attended)
    above = found.above
    return Reason(
        found.parts.head,
        found.parts.query,
        found.parts.key,
        why.reason(found),
        above.names,
        tuple(tuple(row) for row in above.parts.tolist()),
        found.total,
        float(found.attention[found.parts.key]),
    )
