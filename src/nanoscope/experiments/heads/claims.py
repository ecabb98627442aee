"""Experiment 02, the claims: their criteria, and the words for the results.

`heads.needed` and `heads.pairs` were declared after the first study, in the place of claims that asked about another class in
each training or could not fail. Trainings of that study are known; new ones test them.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.heads import judge

_UNTRAINED = "untrained models"

CLAIMS = (
    Claim(
        id="heads.previous",
        sentence="There is a previous-token head.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.best_previous_token,
        null_is=_UNTRAINED,
        measured="**{head}** attends most to the previous token: {value} above uniform [{low}, {high}], p = {p} (on random "
        "text: {random})",
        clauses={"not supported": ", too little for a previous-token head"},
    ),
    Claim(
        id="heads.tokens",
        sentence="There is a head that attends by content rather than by position.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.3),
        evidence=judge.best_of_text,
        null_is=_UNTRAINED,
        measured="Of all heads, **{head}** attends most by content: {cls}, {value} more than its positional attention alone "
        "would give [{low}, {high}], p = {p}",
    ),
    Claim(
        id="heads.needed",
        sentence="Without its previous-token heads the model loses at least 0.1 nats more than without as many others.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.1),
        evidence=judge.previous_token_heads_needed,
        null_is="as many other heads of the same layers",
        figure="heads_ablation",
        measured="Without all previous-token heads ({heads}) the loss rises by {together} nats per character"
        "{% if apart is defined %} (each alone: {apart} in all){% endif %}, by **{value}** [{low}, {high}] more than without "
        "as many others of their layers ({null}, the mean of {sets} set{'' if sets == 1 else 's'}; the worst: {worst})",
    ),
    Claim(
        id="heads.pairs",
        sentence="Heads fit those below them better than heads that they cannot read.",
        relation="present",
        source="attributed",
        criterion=Criterion(">=", 0.6),
        evidence=judge.pairs_that_can_compose,
        null_is="being able to compose tells nothing of the score",
        figure="heads_composition",
        measured="By their weights, a pair of heads that can compose scores above one that cannot with a probability of "
        "**{value}** [{low}, {high}] (0.5: no difference; medians {median} and {impossible}; strongest: {most})",
        clauses={"not supported": ": weights alone do not tell who reads whom"},
    ),
)
