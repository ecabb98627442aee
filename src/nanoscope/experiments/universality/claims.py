"""Universality, the claims: what would count, written down before any run, and what is to be said under each verdict.

That one neuron in a hundred should be universal was the criterion of the neurons' experiment, of which this was a part.
"""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

_UNTRAINED = "an untrained model of this shape"

CLAIMS = (
    Claim(
        id="universality.sees",
        sentence="Positive control: neurons that two models share are called universal, and no others.",
        criterion=Criterion(">=", 0.9),
        null_is="no difference between the two halves",
        prose={
            "supported": "The instrument sees: where half of another model's neurons are this one's and half are an untrained "
            "model's, {found} of the first are called universal and {false} of the others{resemble}.",
            "not supported": "The instrument sees only a part: where half of another model's neurons are this one's and half "
            "are an untrained model's, {found} of the first are called universal, so more may be shared than is found, and "
            "{false} of the others{resemble}.",
            "undecided": "Where half of another model's neurons are this one's and half are an untrained model's, {found} of "
            "the first are called universal and {false} of the others{resemble}, which does not decide whether the "
            "instrument sees.",
        },
    ),
    Claim(
        id="universality.some",
        sentence="One neuron in a hundred or more is universal: other trainings have grown it too.",
        criterion=Criterion(">=", 0.01),
        null_is=_UNTRAINED,
        figure="universality_neurons",
        prose={
            "supported": "**{count} of {n}** neurons are universal: over {others} the best correlation with a neuron there "
            "exceeds that with any of as many rotated ones by 0.5 on average (by layer {layers}; most: {top}).",
            "not supported": "Only {count} of {n} neurons are universal, fewer than one in a hundred: over {others} the best "
            "correlation with a neuron there seldom exceeds that with any of as many rotated ones by 0.5 on average (by "
            "layer {layers}; most: {top}).",
            "undecided": "{count} of {n} neurons are universal, which does not decide whether one in a hundred is: over "
            "{others} the best correlation with a neuron there exceeds that with any of as many rotated ones by 0.5 on "
            "average (by layer {layers}; most: {top}).",
        },
    ),
    Claim(
        id="universality.alike",
        sentence="On average a neuron has a closer match in another training than among as many rotated neurons.",
        criterion=Criterion(">=", 0.05),
        null_is=_UNTRAINED,
        prose={
            "supported": "On average a neuron's best match in another training correlates with it by {best}, **{value}** "
            "[{low}, {high}] more than the best of the rotated ones ({n} other trainings; in an untrained model {null}).",
            "not supported": "On average a neuron's best match in another training correlates with it by {best}, only {value} "
            "[{low}, {high}] more than the best of the rotated ones ({n} other trainings; in an untrained model {null}).",
            "undecided": "On average a neuron's best match in another training correlates with it by {best}, {value} "
            "[{low}, {high}] more than the best of the rotated ones, which decides nothing (other trainings: {n}; in an "
            "untrained model {null}).",
        },
    ),
)
