"""Dose-response of copying, the claim. It was declared, with its margins and the form of the law, before any training was
run; the law itself is fitted to six doses and committed before the four others are trained."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.doses.judge import doses_foretold

CLAIMS = (
    Claim(
        id="doses.foretold",
        sentence="A law fitted to six doses foretells when induction heads form, and in how many trainings, at all four doses "
        "that were held out.",
        relation="predicts",
        source="observed",
        criterion=Criterion(">=", 4),
        evidence=doses_foretold,
        null_is="a law that ignores the dose",
        figure="doses_formation",
        measured="By the power law of the gain that copying offers (time as the gain to the power {slope}), fitted at doses "
        "{fitted|each('{:g}')} and committed beforehand, **{right} of {n} held-out doses** are foretold: the time within a "
        "factor of {within}, the trainings that form within {margin} (a law that ignores the dose: {blind}; "
        "median iteration and trainings, foretold and seen: {doses|each('dose {}: {}')|join('; ')})",
        clauses={"supported": ": formation is foretold from the data"},
    ),
)
