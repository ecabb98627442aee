"""Emergence, the claims: their criteria, and the words for the results.

When the previous-token head, copying and the distances to tables change, and how abruptly, is listed beside them (`page.py`);
"abrupt" is a convention fixed beforehand (docs/methods/training.md).
"""

from functools import partial

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.emergence.events import CONTEXT, FORMED, INDUCTION, MARGINS, REPEATED
from nanoscope.experiments.emergence.judge import final_score, gain_from_longer_context, gain_in_repeated_passages

CLAIMS = (
    Claim(
        id="emergence.forms",
        sentence="An induction head forms during training.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", FORMED),
        evidence=partial(final_score, INDUCTION),
        null_is="the same head before training",
        figure="emergence_onset",
        measured="The best induction head, {head}, ends at {value} above uniform attention [{low}, {high}], against {null} "
        "before training",
        clauses={"not supported": ": no induction head forms within {steps} iterations"},
    ),
    Claim(
        id="emergence.icl",
        sentence="During training the model comes to use a longer context: late in a window it is worth 0.02 nats or more.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", MARGINS[CONTEXT]),
        evidence=gain_from_longer_context,
        null_is="before training",
        withdrawn="late places were compared with early ones, which need not be as hard",
        sound_from=8,
        measured="Late in a window, the context beyond what early places have is worth **{value} nats** more at the end of the "
        "training than before [{low}, {high}] ({n} windows; the loss late minus early, at other places: {late})",
    ),
    Claim(
        id="emergence.repeated",
        sentence="In passages that stood earlier in the window the model gains more than a table without memory does.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", MARGINS[REPEATED]),
        evidence=gain_in_repeated_passages,
        null_is="an n-gram table that is as good in new passages",
        withdrawn="repeated passages end in harder places, for an n-gram table too",
        sound_from=8,
        measured="From new passages to those whose last five characters stood earlier in the window the model's loss falls by "
        "{model} nats, that of an n-gram table as good in new ones by {table}: **{value} nats** more [{low}, {high}]",
    ),
)
