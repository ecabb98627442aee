"""The claims of `circuits`: criteria fixed before any run, and the sentences that report the results."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.circuits import judge

CLAIMS = (
    Claim(
        id="circuits.faithful",
        sentence="A few edges suffice for what the model does on the main task.",
        relation="sufficient for",
        source="intervened",
        criterion=Criterion(">=", 0.8),
        evidence=judge.faithful,
        null_is="what random circuits of the same size and layers keep",
        figure="circuits_diagram",
        measured="On the task *{task}*, the {asked} best of {total} edges ({edges} without dead ends) keep "
        "**{value|percent(0)}** "
        "[{low|percent(0)}, {high|percent(0)}] of what all keep, with the others taken from the corrupt text. The best of "
        "{draws} random circuits with as many edges into each layer keeps {chance|percent(0)}. Strongest alone: "
        "{strongest|each('{} ({:.2f})')|join(', ')}. By ablation: {ablations|each('{} {:.2f}')|join(', ')}. The worst example "
        "under "
        "the worst setting of the other edges misses {worst} of it",
    ),
    Claim(
        id="circuits.small",
        sentence="The circuit of the main task is a small part of the model.",
        relation="sufficient for",
        source="intervened",
        criterion=Criterion("<=", 0.1),
        evidence=judge.small,
        null_is="all edges",
        figure="circuits_curves",
        measured="From **{value|percent}** [{low|percent}, {high|percent}] of all edges on, the best ones keep nine tenths of "
        "the "
        "task *{task}*",
        clauses={"not supported": ": more than a tenth of the model is needed"},
    ),
    Claim(
        id="circuits.estimate",
        sentence="Gradients (EAP-IG) rank the edges as exact effects do.",
        relation="predicts",
        source="attributed",
        criterion=Criterion(">=", 0.8),
        evidence=judge.estimated,
        null_is="ranking by weights alone",
        figure="circuits_estimates",
        measured="Over edges, EAP-IG's scores and exact effects have a rank correlation of **{value}** [{low}, {high}]; the "
        "best "
        "estimate is {best} ({best_value}). All: {methods|each('{} {:.2f}')|join(', ')}",
    ),
    Claim(
        id="circuits.own",
        sentence="Each task has a circuit of its own: without it that task suffers, and others less.",
        relation="necessary for",
        source="intervened",
        criterion=Criterion(">=", 0.5),
        evidence=judge.own,
        null_is="no difference",
        measured="Without their own circuits {tasks} tasks lose {own|percent(0)} of the behaviour, without another task's "
        "{other|percent(0)}: **{value|percent(0)}** [{low|percent(0)}, {high|percent(0)}] less",
        clauses={"not supported": ": the tasks share their edges"},
    ),
    Claim(
        id="circuits.textbook",
        sentence="The textbook account of induction heads is all there is to the model's induction.",
        relation="sufficient for",
        source="intervened",
        criterion=Criterion(">=", 0.8),
        evidence=judge.textbook,
        null_is="the same account with a wrong key",
        measured="Causal scrubbing by the textbook account (queries and values read the token, keys the one before it through "
        "previous-token heads) keeps **{value|percent(0)}** [{low|percent(0)}, {high|percent(0)}] of the model's advantage "
        "over "
        "random texts. If every lower part may tell the heads about these tokens it is {refined|percent(0)}; a wrong key keeps "
        "{wrong|percent(0)}",
    ),
)
