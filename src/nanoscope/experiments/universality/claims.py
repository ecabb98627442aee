"""Universality, the claims: criteria fixed before any run, and the sentences that report the results.

The criterion of one universal neuron in a hundred comes from the neurons' experiment, of which this was once a part.
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
        measured="In a model that has half of its neurons from this model and half from an untrained one, {found|percent} of "
        "the first are called universal and {mistaken|percent} of the others{% if mistaken %} (neurons that resemble a "
        "shared one: with the untrained model alone it is {untrained|percent}){% endif %}",
        clauses={"not supported": ", so more neurons may be shared than are found"},
    ),
    Claim(
        id="universality.some",
        sentence="At least one neuron in a hundred is universal: other trainings grow it too.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.01),
        evidence=universal_neurons,
        null_is=_UNTRAINED,
        figure="universality_neurons",
        measured="A neuron is universal if its best correlation with a neuron of another training exceeds that with any of "
        "as many rotated ones by 0.5, on average over {others} other training{% if others > 1 %}s{% endif %}. The share "
        'by layer is {layers|map("percent")|join(", ")}. The largest excesses: {most|each("{} {:.2f}")}. In all '
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
        measured="The correlation of a neuron with its best match in another training is {best}, averaged over {n} trainings. "
        "This is **{value}** [{low}, {high}] more than with the best of the rotated neurons (untrained model: {null})",
    ),
)
