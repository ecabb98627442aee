"""The tuned lens: fitted at a click, with progress, and kept on disk for this checkpoint."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from nanoscope.analysis.prediction.logit_lens import Lens
from nanoscope.analysis.prediction.tuned_lens import Fit
from nanoscope.dashboard.asked import Number, Opened, OpenedModel
from nanoscope.dashboard.jobs import Job
from nanoscope.dashboard.session import Session
from nanoscope.errors import NanoscopeError
from nanoscope.views.kept_lenses import fitted_once, is_there_any, kept

router = APIRouter(prefix="/api")


@dataclass(frozen=True)
class TunedLens:
    """How the fit went: KL(model || lens) on held-out text, nats, mean over layers, of the logit lens and of the tuned one."""

    steps: int
    logit_kl: float
    tuned_kl: float
    stopped: bool
    """Whether the held-out KL had stopped falling."""


def tuned_of(session: Session, number: int) -> Lens:
    """A model's tuned lens. NanoscopeError if it has not been fitted."""
    fit = _known(session, number)
    if fit is None:
        raise NanoscopeError("the tuned lens of this model has not been fitted yet; press Fit")
    return fit.translation.lens(session.checkpoint(number).model)


@router.get("/lens/tuned")
def tuned(session: Opened, model: Number = 0) -> TunedLens | None:
    """The lens that was fitted, now or in an earlier session; None if none was."""
    fit = _known(session, model)
    return None if fit is None else _said(fit)


@router.post("/lens/tuned")
async def fit(session: Opened, model: OpenedModel) -> StreamingResponse:
    """Fit it, unless it has been."""

    def measure(job: Job) -> Iterator[TunedLens]:
        yield _said(
            session.kept.measured(
                ("tuned lens", model),
                lambda: fitted_once(session.keep, session.checkpoint(model), session.corpus(model), job.progress),
            )
        )

    return session.jobs.streamed(measure)


def _known(session: Session, number: int) -> Fit | None:
    """The lens of this session, or the one that is kept on disk, which is then this session's."""
    fit, checkpoint = session.kept.known(("tuned lens", number)), session.checkpoint(number)
    if fit is not None or not is_there_any(session.keep, checkpoint):
        return fit
    with suppress(NanoscopeError):  # the text that it was fitted on is not to be had
        found = kept(session.keep, checkpoint, session.corpus(number))
        return None if found is None else session.kept.measured(("tuned lens", number), lambda: found)
    return None


def _said(fit: Fit) -> TunedLens:
    course = fit.course.values
    return TunedLens(fit.steps, float(course[0].mean()), float(course.min(0).mean()), fit.stopped)
