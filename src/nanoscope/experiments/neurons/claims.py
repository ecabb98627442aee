"""Neurons, the claims: criteria fixed before any run, and the sentences that report the results.

A context concept is one that the current character alone does not decide. A neuron is selective for a concept if its
AUROC is at least 0.8 on text it was not chosen on, and the search that found it beats shifted labels.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.neurons.judge import (
    cost_of_ablation,
    dead_neurons,
    growth_with_depth,
    lead_over_directions,
    lead_over_untrained,
    milliseconds_per_layer,
    nested_concepts,
    planted_neuron,
    selective_concepts,
)

CLAIMS = (
    Claim(
        id="neurons.planted",
        sentence="The search finds a neuron that was planted in a copy of the model and is active on one character only, and "
        "measures it correctly.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.999),
        evidence=planted_neuron,
        null_is="a neuron that is active at random",
        measured="A detector of `{character}`, planted in a copy of the model as {neuron}, has an AUROC of {auroc} on new "
        "text. Its p-value is {p} (the smallest possible with {shifts} shifts: {smallest}), and {share|percent} of its "
        "strongest examples are that character. It writes nothing, and ablating it changes the loss by {change}",
        clauses={
            "supported": ": the search finds it as the best neuron of its layer",
            "not supported": ": the search misses it, or one of the measures is wrong",
        },
    ),
    Claim(
        id="neurons.selective",
        sentence="For most concepts that the current character does not decide, some neuron is selective.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=selective_concepts,
        null_is="an untrained model of this shape",
        figure="neurons_concepts",
        withdrawn="after the GELU a neuron that is strongly off ranks above one that is slightly off",
        measured="Of the concepts that the current character does not decide, those with the best neurons are "
        '{best|each("{} ({}, {:.2f})")}. An untrained model of this shape reaches an AUROC of 0.8 for {untrained} of them; '
        "here **{count} of {n}** have a selective neuron (at least that AUROC on text it was not chosen on, and beyond "
        "{shifts} shifts of the labels)",
        clauses={
            "not supported": ", fewer than half",
            "straddles the criterion": ". Within the errors of the AUROCs {low|percent(0)} to {high|percent(0)} of them "
            "have one, so whether most do is not decided",
        },
    ),
    Claim(
        id="neurons.learned",
        sentence="The best neurons are more selective for context than those of an untrained model.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=lead_over_untrained,
        null_is="no difference",
        withdrawn="after the GELU a neuron that is strongly off ranks above one that is slightly off",
        measured="On average over those concepts the best neuron has an AUROC of {trained}, the best neuron of an untrained "
        "model {untrained}: a difference of **{value}** [{low}, {high}]",
    ),
    Claim(
        id="neurons.basis",
        sentence="Neurons separate context concepts better than as many random directions of the same activations.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.02),
        evidence=lead_over_directions,
        null_is="no difference",
        withdrawn="after the GELU a neuron that is strongly off ranks above one that is slightly off",
        measured="A linear probe of the input to a layer's neurons reaches an AUROC of {probe}. The best of as many random "
        "directions of the same activations reaches {directions}; the best neuron exceeds it by **{value}** [{low}, {high}]",
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
        withdrawn="after the GELU a neuron that is strongly off ranks above one that is slightly off",
        measured="Layer by layer the best neuron's AUROC, averaged over those concepts, is {layers}. The second half of the "
        "layers exceeds the first by **{value}** [{low}, {high}]",
        clauses={"supported": ", so it grows with depth"},
    ),
    Claim(
        id="neurons.conditional",
        sentence="Selectivity for a concept is not explained by a nested one: the AUROC holds when the other one is fixed.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.8),
        evidence=nested_concepts,
        null_is="a neuron that is selective for the nested concept only",
        withdrawn="after the GELU a neuron that is strongly off ranks above one that is slightly off",
        measured="Concepts are nested (a speaker's name begins a line with a capital). Among characters that agree in the "
        'other concept the same neurons have these AUROCs: {aurocs|each("{} {:.2f}")|join("; ")}. Their mean is **{value}** '
        "[{low}, {high}]",
        clauses={"supported": ", so the neurons are not only selective for the other concept"},
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
        measured="Mean ablation of {neurons}, one at a time, raises the loss by {alone} nats per character where the neuron is "
        "active and by {elsewhere} elsewhere. Its direct effect is {direct}; zero ablation gives {zeroed}. For random neurons "
        "of the same layers, where these are active, it is {null}: a difference of **{value}** [{low}, {high}]",
    ),
    Claim(
        id="neurons.dead",
        sentence="Hardly any neuron is dead.",
        relation="absent",
        source="observed",
        criterion=Criterion("<=", 0.01),
        evidence=dead_neurons,
        null_is="no dead neuron",
        figure="neurons_statistics",
        measured="The median neuron is above 0 on {positive|percent} of {characters} characters"
        "{% if count < n %}, and above a tenth of its maximum on {sparsity|percent}{% endif %}. {count} of {n} "
        "neurons are dead (never above 0.001 of {median}, the median of the neurons' maxima)",
        clauses={"not supported": ": more than one in a hundred"},
    ),
    Claim(
        id="neurons.cost",
        sentence="The experiment takes less than a minute per layer.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", 60_000),
        evidence=milliseconds_per_layer,
        null_is="nothing",
        kind="timing",
        measured="The experiment takes {value} ms per layer ({seconds} s for {n} neurons: {stages})",
    ),
)
