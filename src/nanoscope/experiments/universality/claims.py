"""Universality, the claims: what would count, written down before any run, and the words of the answer.

That one neuron in a hundred should be universal was the criterion of the neurons' experiment, of which this was a part.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.universality.judge import mean_excess, shared_half_found, universal_neurons

_UNTRAINED = "an untrained model of this shape"

CLAIMS = (
    Claim(
        id="universality.sees",
        sentence="Positive control: neurons that two models share are called universal, and no others.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.9),
        evidence=shared_half_found,
        null_is="no difference between the two halves",
        measured="Where half of another model's neurons are this one's and half are an untrained model's, {found|percent} of "
        "the first are called universal and {mistaken|percent} of the others{% if mistaken %} (neurons that resemble a "
        "shared one: with the untrained model alone it is {untrained|percent}){% endif %}",
        clauses={"not supported": "; so more may be shared than is found"},
    ),
    Claim(
        id="universality.some",
        sentence="One neuron in a hundred or more is universal: other trainings have grown it too.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.01),
        evidence=universal_neurons,
        null_is=_UNTRAINED,
        figure="universality_neurons",
        measured="A neuron is universal where its best correlation with a neuron of another training exceeds that with any "
        "of as many rotated ones by 0.5, on average over {others} other training{% if others > 1 %}s{% endif %}. The share "
        'by layer is {layers|map("percent")|join(", ")}, the largest excess that of {most|each("{} {:.2f}")}. In all '
        "**{count} of {n}** neurons are universal",
        clauses={"not supported": ", fewer than one in a hundred"},
    ),
    Claim(
        id="universality.alike",
        sentence="On average a neuron has a closer match in another training than among as many rotated neurons.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=mean_excess,
        null_is=_UNTRAINED,
        measured="A neuron's best match in another training correlates with it by {best} on average over {n} trainings, "
        "**{value}** [{low}, {high}] more than the best of the rotated ones (in an untrained model {null})",
    ),
)
