"""Neurons, the claims: what would count, written down before any run, and the words of the answer.

A context concept is one that the current character alone does not decide. A neuron is selective for a concept where its
AUROC, on text it was not chosen on, is at least 0.8, and the search that found it beats shifted labels.
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
        sentence="A neuron planted in a copy of the model, active on one character only, is found, and every measure of it "
        "is right.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.999),
        evidence=planted_neuron,
        null_is="a neuron that knows nothing",
        measured="A detector of `{character}`, planted in a copy of the model as {neuron}, has an AUROC of {auroc} on new "
        "text (p = {p}; {smallest} is the smallest that {shifts} shifts can give), and {share|percent} of its strongest "
        "examples are that character. Ablating it, which writes nothing, changes the loss by {change}",
        clauses={
            "supported": ": the search finds it, as the best neuron of its layer",
            "not supported": ": the search misses it, or one of its measures is wrong",
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
        measured="Of the concepts that the current character does not decide, those with the best neurons are "
        '{best|each("{} ({}, {:.2f})")}. An untrained model of this shape reaches an AUROC of 0.8 for {untrained} of them; '
        "here **{count} of {n}** have a selective neuron (at least that AUROC on text it was not chosen on, and beyond "
        "{shifts} shifts of the labels)",
        clauses={
            "not supported": ", which is not most of them",
            "undecided": "; within the errors of the AUROCs {low|percent(0)} to {high|percent(0)} of them have one, which "
            "leaves it undecided whether most do",
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
        measured="On average over those concepts the best neuron's AUROC is {trained}, **{value}** [{low}, {high}] above that "
        "of the best neuron of an untrained model ({untrained})",
    ),
    Claim(
        id="neurons.basis",
        sentence="Neurons separate context concepts better than as many random directions of the same activations.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.02),
        evidence=lead_over_directions,
        null_is="no difference",
        measured="A linear probe of what a layer's neurons read reaches an AUROC of {probe}, and the best of as many "
        "random directions of the same activations {directions}. The best neuron's lead over these directions is **{value}** "
        "[{low}, {high}]",
        clauses={"supported": ": neurons are not just any directions"},
    ),
    Claim(
        id="neurons.depth",
        sentence="Selectivity for context concepts grows with depth.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.02),
        evidence=growth_with_depth,
        null_is="no difference",
        measured="Layer by layer the best neuron's AUROC for those concepts is {layers} on average; the second half of the "
        "layers minus the first is **{value}** [{low}, {high}]",
        clauses={"supported": ", so it grows with depth"},
    ),
    Claim(
        id="neurons.conditional",
        sentence="What looks like a concept is not a nested one: the AUROC holds where the other concept is fixed.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.8),
        evidence=nested_concepts,
        null_is="a neuron that follows the nested concept only",
        measured="Concepts are nested (a speaker's name begins a line with a capital). Among characters that agree in the "
        'other concept the same neurons have these AUROCs: {aurocs|each("{} {:.2f}")|join("; ")}. Their mean is **{value}** '
        "[{low}, {high}]",
        clauses={"supported": ", so the neurons do not only follow the other concept"},
    ),
    Claim(
        id="neurons.ablation",
        sentence="Without a selective neuron the characters on which it is active are predicted worse, by more than without "
        "random neurons of the same layers.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.002),
        evidence=cost_of_ablation,
        null_is="random neurons of the same layers, where those are active",
        figure="neurons_ablation",
        measured="Without {neurons} (mean ablation, one at a time) a character on which the neuron is active costs {alone} "
        "nats more, and {elsewhere} elsewhere; the direct effect alone is {direct}, and with the neuron set to 0 it is "
        "{zeroed}. Without random neurons of the same layers it is {null} where those are active: a difference of "
        "**{value}** [{low}, {high}]",
    ),
    Claim(
        id="neurons.dead",
        sentence="Hardly any neuron is dead.",
        relation="absent",
        source="observed",
        criterion=Criterion("<=", 0.01),
        evidence=dead_neurons,
        null_is="none",
        figure="neurons_statistics",
        measured="Of {characters} characters the median neuron is above 0 on {positive|percent}"
        "{% if count < n %}, and above a tenth of its maximum on {sparsity|percent}{% endif %}. {count} of {n} "
        "neurons are dead (never above 0.001 of the median neuron's maximum, {median})",
        clauses={"not supported": ": more than one in a hundred"},
    ),
    Claim(
        id="neurons.cost",
        sentence="All of it costs less than a minute per layer.",
        relation="present",
        source="observed",
        criterion=Criterion("<=", 60_000),
        evidence=milliseconds_per_layer,
        null_is="free",
        kind="timing",
        measured="{value} ms per layer ({seconds} s for {n} neurons: {stages})",
    ),
)
