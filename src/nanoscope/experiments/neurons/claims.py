"""Neurons, the claims: what would count, written down before any run, and what is to be said under each verdict.

A context concept is one that the current character alone does not decide. A neuron is selective for a concept where its
AUROC, on text it was not chosen on, is at least 0.8, and the search that found it beats shifted labels.
"""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

SELECTIVE = 0.8
SIGNIFICANT = 0.05
_UNTRAINED = "an untrained model of this shape"

CLAIMS = (
    Claim(
        id="neurons.planted",
        sentence="A neuron planted in a copy of the model, active on one character only, is found and seen through.",
        criterion=Criterion(">=", 0.999),
        null_is="a neuron that knows nothing",
        prose={
            "supported": "Planted in a copy of the model, {neuron}, a detector of {character}, is the layer's best neuron "
            "for it, with AUROC {auroc} on new text (p = {p}, the smallest that {shifts} shifts can give is {smallest}); "
            "{share} of its strongest examples are that character, and ablating it, which writes nothing, changes the loss "
            "by {change}.",
            "not supported": "The search misses the neuron planted in a copy of the model: {neuron}, a detector of "
            "{character}, has AUROC {auroc} on new text (p = {p}), and {share} of its strongest examples are that character.",
            "undecided": "No detector could be planted: the model is too narrow to have a direction for one character alone.",
        },
    ),
    Claim(
        id="neurons.selective",
        sentence="For most concepts that the current character does not decide, some neuron is selective.",
        criterion=Criterion(">=", 0.5),
        null_is=_UNTRAINED,
        figure="neurons_concepts",
        prose={
            "supported": "For **{count} of {n}** concepts that the current character does not decide, a neuron is selective "
            "(AUROC at least 0.8 on text it was not chosen on, and beyond {shifts} shifts of the labels, over all neurons "
            "and concepts): {best}. An untrained model of this shape has such AUROCs for {untrained} of them.",
            "not supported": "For only {count} of {n} concepts that the current character does not decide is a neuron "
            "selective (AUROC at least 0.8 on text it was not chosen on, and beyond {shifts} shifts of the labels); the "
            "best: {best}. An untrained model of this shape has such AUROCs for {untrained} of them.",
            "undecided": "Whether most concepts that the current character does not decide have a selective neuron is not "
            "decided: {state}.",
        },
    ),
    Claim(
        id="neurons.learned",
        sentence="Training has made neurons more selective for context than random weights do.",
        criterion=Criterion(">=", 0.05),
        null_is="no difference",
        prose={
            "supported": "On average over those concepts the best neuron's AUROC is {trained}, **{value}** [{low}, {high}] "
            "above that of the best neuron of an untrained model ({untrained}).",
            "not supported": "On average over those concepts the best neuron's AUROC is {trained}, only {value} [{low}, "
            "{high}] above that of the best neuron of an untrained model ({untrained}); {threshold} would count.",
            "undecided": "Whether training has made neurons more selective for context is not decided: {state}.",
        },
    ),
    Claim(
        id="neurons.basis",
        sentence="Neurons tell context concepts better than as many random directions of the same space.",
        criterion=Criterion(">=", 0.02),
        null_is="no difference",
        prose={
            "supported": "Neurons are not just any directions: over the best of as many random directions of the same "
            "activations ({directions}) the best neuron leads by **{value}** [{low}, {high}]. A linear probe of what the "
            "layer's neurons read reaches {probe}.",
            "not supported": "Neurons are hardly better than other directions: over the best of as many random directions of "
            "the same activations ({directions}) the best neuron's lead is {value} [{low}, {high}]; {threshold} would count. "
            "A linear probe of what the layer's neurons read reaches {probe}.",
            "undecided": "Whether neurons tell more than other directions of the same space is not decided: {state}.",
        },
    ),
    Claim(
        id="neurons.depth",
        sentence="Selectivity for context concepts grows with depth.",
        criterion=Criterion(">=", 0.02),
        null_is="no difference",
        prose={
            "supported": "It grows with depth: the best neuron of a layer in the second half tells those concepts with an "
            "AUROC **{value}** higher [{low}, {high}] than that of a layer in the first ({layers}).",
            "not supported": "It grows with depth by less than {threshold}: second half minus first half of the layers is "
            "{value} [{low}, {high}] ({layers}).",
            "undecided": "Whether it grows with depth is not decided: {state}.",
        },
    ),
    Claim(
        id="neurons.conditional",
        sentence="What looks like a concept is not a nested one: the AUROC holds where the other concept is fixed.",
        criterion=Criterion(">=", 0.8),
        null_is="a neuron that follows the nested concept only",
        prose={
            "supported": "Concepts are nested (a speaker's name begins a line with a capital), yet among characters that "
            "agree in the other concept the same neurons keep a mean AUROC of **{value}** [{low}, {high}]: {each}.",
            "not supported": "Concepts are nested (a speaker's name begins a line with a capital), and among characters that "
            "agree in the other concept the same neurons' mean AUROC is {value} [{low}, {high}], short of {threshold}: {each}.",
            "undecided": "Whether the neurons follow these concepts or nested ones is not decided: {state}.",
        },
    ),
    Claim(
        id="neurons.ablation",
        sentence="Without a selective neuron the characters on which it is active are predicted worse, by more than without "
        "random neurons of the same layers.",
        criterion=Criterion(">=", 0.002),
        null_is="random neurons of the same layers, where those are active",
        figure="neurons_ablation",
        prose={
            "supported": "Without {neurons} (mean ablation, one at a time) a character on which the neuron is active costs "
            "{alone} nats more, **{value}** [{low}, {high}] beyond random neurons of the same layers where those are active "
            "({null}), and {elsewhere} elsewhere. Left out of the final sum alone, which is its direct effect, it costs "
            "{direct}; set to 0, {zeroed}.",
            "not supported": "Without {neurons} (mean ablation, one at a time) a character on which the neuron is active "
            "costs {alone} nats more, {value} [{low}, {high}] beyond random neurons of the same layers where those are "
            "active ({null}): less than the {threshold} that would count. Elsewhere it costs {elsewhere}; directly, {direct}; "
            "set to 0, {zeroed}.",
            "undecided": "What the selective neurons are worth is not decided: {state}.",
        },
    ),
    Claim(
        id="neurons.dead",
        sentence="Hardly any neuron is dead.",
        criterion=Criterion("<=", 0.01),
        null_is="none",
        figure="neurons_statistics",
        prose={
            "supported": "{count} of {n} neurons are dead (never above 0.001 of the median neuron's maximum, {median}, on "
            "{characters} characters). The median neuron is above 0 on {positive} of them, and above a tenth of its maximum "
            "on {sparsity}.",
            "not supported": "{count} of {n} neurons are dead (never above 0.001 of the median neuron's maximum, {median}, on "
            "{characters} characters): more than one in a hundred. The median neuron is above 0 on {positive} of them.",
            "undecided": "{count} of {n} neurons are dead (never above 0.001 of the median neuron's maximum, {median}, on "
            "{characters} characters).",
        },
    ),
    Claim(
        id="neurons.cost",
        sentence="All of it costs less than a minute per layer.",
        criterion=Criterion("<=", 60_000),
        null_is="free",
        kind="timing",
        prose={
            "supported": "{value} ms per layer ({seconds} s for {n} neurons: {stages}).",
            "not supported": "{value} ms per layer ({seconds} s for {n} neurons: {stages}): slow.",
            "undecided": "{value} ms per layer ({seconds} s for {n} neurons: {stages}).",
        },
    ),
)
