"""Experiment 00, the claims, declared before any run: their criteria, and the words for the results.

Why these thresholds. Context: 0.02 nats is twice what the experiment calls an unused context, and what `emergence` asks of
in-context learning. Layers: 0.3 nats is about what the fourth character adds to a table of trigrams on tiny Shakespeare
(2.06 against 1.79). Whether it predicts better than a table is judged by `lenses`; how it differs from one is told here.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.profile import judge

CLAIMS = (
    Claim(
        id="profile.context",
        sentence="What stands more than sixteen tokens back helps the model to predict.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.02),
        evidence=judge.reads_far,
        null_is="a model that reads no further",
        figure="profile_parts",
        measured="With the context cut to its last 16 tokens, the model loses **{value} nats** [{low}, {high}] per token of "
        "held-out text ({training} on training text; a hand-built copying model, on text that repeats itself: {control}). By "
        "length: {by_length|each('{} {:.3f}')|join(', ')}",
        clauses={
            "not supported": ": what stands further back is not worth the 0.02 that would count",
            "straddles the criterion": ", which leaves open whether what stands further back is worth 0.02",
        },
    ),
    Claim(
        id="profile.layers",
        sentence="The model needs its attention above layer 0.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.3),
        evidence=judge.upper_heads,
        null_is="heads whose output never changes",
        figure="profile_parts",
        measured="Without all heads above layer 0 the model loses **{value} nats** [{low}, {high}] per token ({training} on "
        "training text; a hand-built copying model: {control}), without those of layer 0 {lowest}. {kept} of {heads} heads are "
        "enough for nine tenths of what all are worth",
        clauses={"not supported": ": less than the 0.3 that would count"},
    ),
)
