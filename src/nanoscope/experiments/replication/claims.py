"""Finding 4c, the claims, written down before any two trainings were compared. The unit is a training."""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

CLAIMS = (
    Claim(
        id="replication.findings",
        sentence="Most claims get the same verdict in every training.",
        criterion=Criterion(">=", 0.5),
        null_is="verdicts drawn independently, as often as each occurs",
        figure="replication_verdicts",
        prose={
            "supported": "**{same} of {n} claims** get the same verdict in all {trainings} trainings ({percent} %, 95 % "
            "interval {percents}; undecided in all: {open}); of the {decided} decided in some training, {agreed} are decided "
            "alike in all. Those that differ: {differ}. Supported in one training and not supported in another: {opposed}. "
            "Claims depend on one another, so the interval is too narrow.",
            "not supported": "Only {same} of {n} claims get the same verdict in all {trainings} trainings ({percent} %, 95 % "
            "interval {percents}; undecided in all: {open}); of the {decided} decided in some training, {agreed} are decided "
            "alike in all. Those that differ: {differ}. Supported in one training and not supported in another: {opposed}. "
            "Claims depend on one another, so the interval is too narrow.",
            "undecided": "{same} of {n} claims get the same verdict in all {trainings} trainings ({percent} %, 95 % interval "
            "{percents}; undecided in all: {open}), which does not decide whether most do; of the {decided} decided in some "
            "training, {agreed} are decided alike in all. Those that differ: {differ}. Supported in one training and not "
            "supported in another: {opposed}.",
        },
    ),
    Claim(
        id="replication.induction",
        sentence="More than half of such trainings form an induction head.",
        criterion=Criterion(">=", 0.5),
        null_is="none",
        prose={
            "supported": "Induction heads form in {count} of {n} trainings{unclear} (a share of {value} [{low}, {high}]).",
            "not supported": "Induction heads form in {count} of {n} trainings{unclear} (a share of {value} [{low}, {high}]): "
            "fewer "
            "than half of such trainings form one.",
            "undecided": "Induction heads form in {count} of {n} trainings{unclear}, too few trainings to say whether more "
            "than half "
            "of them do ([{low}, {high}]).",
        },
    ),
    Claim(
        id="replication.previous",
        sentence="More than half of such trainings form a previous-token head.",
        criterion=Criterion(">=", 0.5),
        null_is="none",
        prose={
            "supported": "A previous-token head forms in {count} of {n} trainings{unclear} (a share of {value} [{low}, "
            "{high}]).",
            "not supported": "A previous-token head forms in {count} of {n} trainings{unclear} (a share of {value} [{low}, "
            "{high}]).",
            "undecided": "A previous-token head forms in {count} of {n} trainings{unclear}, too few to say whether more than "
            "half form "
            "one ([{low}, {high}]).",
        },
    ),
    Claim(
        id="replication.depth",
        sentence="The best previous-token head lies in the first half of the layers in more than half of trainings.",
        criterion=Criterion(">=", 0.5),
        null_is="a layer drawn at random",
        prose={
            "supported": "The best previous-token head lies in the first half of the layers in {count} of {n} trainings "
            "([{low}, {high}]; layers: {layers}).",
            "not supported": "The best previous-token head lies in the first half of the layers in only {count} of {n} "
            "trainings ([{low}, {high}]; layers: {layers}).",
            "undecided": "The best previous-token head lies in the first half of the layers in {count} of {n} trainings, which "
            "decides nothing ([{low}, {high}]; layers: {layers}).",
        },
    ),
    Claim(
        id="replication.matched",
        sentence="Heads matched by function are more alike than heads of the same layers are.",
        criterion=Criterion(">=", 0.1),
        null_is="assignments within layers",
        figure="replication_heads",
        prose={
            "supported": "Heads matched by function on one half of the text are alike by a cosine of {matched} on the other "
            "half: **{value}** [{low}, {high}] more than heads of the same layers ({null}); any two heads: {any}.",
            "not supported": "Heads matched by function on one half of the text are alike by a cosine of {matched} on the "
            "other half, only {value} [{low}, {high}] more than heads of the same layers ({null}); any two heads: {any}.",
            "undecided": "Heads matched by function on one half of the text are alike by a cosine of {matched} on the other "
            "half, {value} [{low}, {high}] more than heads of the same layers ({null}), which decides nothing.",
        },
    ),
    Claim(
        id="replication.index",
        sentence="A head's index within its layer means nothing across trainings.",
        criterion=Criterion("within", 0.0, 0.05),
        null_is="assignments within layers",
        prose={
            "supported": "Heads of the same index are no more alike than any two of the same layer ({value} [{low}, {high}], "
            "inside the margin of 0.05).",
            "not supported": "Heads of the same index are {sign} alike than two of the same layer: a difference of {value} "
            "[{low}, "
            "{high}].",
            "undecided": "Whether heads of the same index are more alike than two of the same layer is not decided ({value} "
            "[{low}, {high}]).",
        },
    ),
)
