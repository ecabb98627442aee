"""Neurons, the claims: criteria fixed before any run, and the sentences that report the results.

A context concept is one that the current character alone does not decide. A neuron is selective for a concept if its input is
higher there with an AUROC of at least 0.8 on text it was not chosen on, and the search that found it beats shifted labels. How
the counts depend on the 0.8 is a figure. Up to version 3 the AUROC was of the activation.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.neurons.judge import (
    cost_of_ablation,
    growth_with_depth,
    lead_over_directions,
    selective_concepts,
)

_BLIND = "after the GELU a neuron that is strongly off ranks above one that is slightly off"
INPUTS = 4
"""The version from which AUROCs are of neurons' inputs, before the activation function."""

CLAIMS = (
    Claim(
        id="neurons.selective",
        sentence="For most concepts that the current character does not decide, some neuron is selective.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=selective_concepts,
        null_is="as many random directions of the same layer",
        figure="neurons_concepts",
        withdrawn=_BLIND,
        sound_from=INPUTS,
        measured="Of the {n} concepts that the current character does not decide, **{count}** have a selective neuron: the "
        "AUROC of its input is at least 0.8 on text it was not chosen on, and beyond {shifts} shifts of the labels. The best "
        "of as many random directions tells {directions} of the {n} too, an untrained model {untrained}. The clearest neurons: "
        '{best|each("{} ({}, {:.2f})")}. On resampled windows the share is {low|percent(0)} to {high|percent(0)}',
        clauses={
            "not supported": ", fewer than half",
            "straddles the criterion": ", so whether most have one is not decided",
        },
    ),
    Claim(
        id="neurons.basis",
        sentence="Neurons separate context concepts better than as many random directions of the same layer.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.02),
        evidence=lead_over_directions,
        null_is="no difference",
        withdrawn=_BLIND,
        sound_from=INPUTS,
        measured="On average over those concepts the best neuron's input reaches an AUROC of {trained}, the best of as many "
        "random directions of the same inputs {directions}, and a linear probe of what the layer reads {probe}. The neuron "
        "exceeds the direction by **{value}** [{low}, {high}]",
        clauses={"supported": ": neurons are special among directions"},
    ),
    Claim(
        id="neurons.depth",
        sentence="Selectivity for context concepts grows with depth.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.02),
        evidence=growth_with_depth,
        null_is="no difference",
        withdrawn=_BLIND,
        sound_from=INPUTS,
        measured="Layer by layer the best neuron's AUROC, averaged over those concepts, is {layers}. The second half of the "
        "layers exceeds the first by **{value}** [{low}, {high}]",
        clauses={"supported": ", so it grows with depth"},
    ),
    Claim(
        id="neurons.ablation",
        sentence="Ablating a selective neuron raises the loss on the characters where it is active, by more than ablating "
        "random neurons of the same layers.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.002),
        evidence=cost_of_ablation,
        null_is="random neurons of the same layers, where these are active",
        figure="neurons_ablation",
        withdrawn="the neurons were chosen by an AUROC after the GELU, where strongly off ranks above slightly off",
        sound_from=INPUTS,
        measured="Mean ablation of {neurons}, one at a time, raises the loss by {alone} nats per character where the neuron is "
        "above a tenth of its maximum and by {elsewhere} elsewhere. Its direct effect is {direct}; zero ablation gives "
        "{zeroed}. For random neurons of the same layers, where these are active, it is {null}: a difference of **{value}** "
        "[{low}, {high}]",
    ),
)
