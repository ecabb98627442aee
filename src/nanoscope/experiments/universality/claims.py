"""Universality, the claim: its criterion fixed before any run, and the sentence that reports the result.

How many neurons are universal depends on where one cuts, so it is a figure and no claim; that the method sees a neuron which
two models share is a measured fact beside it.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.universality.judge import mean_excess

CLAIMS = (
    Claim(
        id="universality.alike",
        sentence="On average a neuron has a closer match in another training than among as many rotated neurons.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=mean_excess,
        null_is="an untrained model of this shape",
        figure="universality_neurons",
        measured="The correlation of a neuron with its best match in another training is {best}, averaged over {n} trainings. "
        "This is **{value}** [{low}, {high}] more than with the best of the rotated neurons (untrained model: {null}). Above "
        "0.5, where Gurnee et al. (2024) call a neuron universal, lie {count} of {of}",
    ),
)
