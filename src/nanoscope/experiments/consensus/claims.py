"""The claim of `consensus`, with its criterion fixed before any run."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.consensus import judge

CLAIMS = (
    Claim(
        id="consensus.matched",
        sentence="Trainings that differ in their seed only arrive at the same circuit.",
        relation="present",
        source="intervened",
        criterion=Criterion(">=", 0.5),
        evidence=judge.matched,
        null_is="the same with heads matched by their numbers",
        figure="consensus_edges",
        measured="With heads matched by what they attend to, the circuits of two trainings share **{value|percent(0)}** "
        "[{low|percent(0)}, {high|percent(0)}] of their edges (Jaccard index; by number {null|percent(0)}, at random "
        "{random|percent(0)}). Of {total} edges, {some} are in some training's circuit of {edges} and "
        "{everywhere} in all of them",
    ),
)
