"""Finding 4a, the claims, written down before any training of the canonical shape was followed. The unit is a training."""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

MOST = Criterion(">=", 0.5)

CLAIMS = (
    Claim(
        id="evolution.order",
        sentence="Things happen in the same order in different trainings.",
        criterion=Criterion(">=", 0.5),
        null_is="any order is as likely as any other",
        figure="evolution_events",
        prose={
            "supported": "The order of events is shared: the mean rank correlation (Kendall's tau) between two trainings is "
            "**{value}** [{low}, {high}] ({n} trainings). In the order of their medians: {order}.",
            "not supported": "The order of events is hardly shared: the mean rank correlation (Kendall's tau) between two "
            "trainings is {value} [{low}, {high}] ({n} trainings). In the order of their medians: {order}.",
            "undecided": "Whether trainings share the order of events is not decided: the mean rank correlation (Kendall's "
            "tau) is {value} [{low}, {high}] ({n} trainings). In the order of their medians: {order}.",
        },
    ),
    Claim(
        id="evolution.stages",
        sentence="Most trainings come closest to a bigram table before they form a previous-token head.",
        criterion=MOST,
        null_is="none",
        prose={
            "supported": "In {count} of {n} trainings with a previous-token head the distance to a bigram table is least "
            "before it forms ([{low}, {high}]).",
            "not supported": "In no more than {count} of {n} trainings with a previous-token head is the distance to a bigram "
            "table least before it forms ([{low}, {high}]).",
            "undecided": "In {count} of {n} trainings with a previous-token head the distance to a bigram table is least "
            "before it forms, which decides nothing ([{low}, {high}]).",
        },
    ),
    Claim(
        id="evolution.previous_first",
        sentence="In most trainings the previous-token head forms before copying begins.",
        criterion=MOST,
        null_is="none",
        prose={
            "supported": "In {count} of the {n} trainings in which both happen (of {all}) the previous-token head forms before "
            "copying begins ([{low}, {high}]).",
            "not supported": "In no more than {count} of the {n} trainings in which both happen (of {all}) does the "
            "previous-token head form before copying begins ([{low}, {high}]).",
            "undecided": "Whether the previous-token head forms before copying begins is not decided: both happen in {n} of "
            "{all} trainings, in this order in {count} ([{low}, {high}]).",
        },
    ),
    Claim(
        id="evolution.abrupt",
        sentence="In most trainings the previous-token head appears abruptly.",
        criterion=MOST,
        null_is="none",
        prose={
            "supported": "The previous-token head appears abruptly in {count} of the {n} trainings that form one ([{low}, "
            "{high}]).",
            "not supported": "The previous-token head appears abruptly in no more than {count} of the {n} trainings that form "
            "one ([{low}, {high}]).",
            "undecided": "The previous-token head appears abruptly in {count} of the {n} trainings that form one, which "
            "decides nothing ([{low}, {high}]).",
        },
    ),
    Claim(
        id="evolution.timing",
        sentence="When the previous-token head forms varies by less than half an octave between trainings.",
        criterion=Criterion("<=", 0.5),
        null_is="at the same iteration",
        prose={
            "supported": "When it forms is reproducible: the standard deviation over trainings is {value} octaves of "
            "iterations [{low}, {high}] (half of it: {midpoints}).",
            "not supported": "When it forms varies: the standard deviation over trainings is {value} octaves of iterations "
            "[{low}, {high}] (half of it: {midpoints}).",
            "undecided": "How much the time at which it forms varies is not decided: a standard deviation of {value} octaves "
            "[{low}, {high}] (half of it: {midpoints}).",
        },
    ),
)
