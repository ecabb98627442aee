"""Finding 4b, the claims, written down before any cell was trained. The unit is a training; thresholds are finding 1's."""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

COPIES, HEAD = 0.5, 0.3
"""From so much more accuracy with a copy than without, and from so high a head score on, a size has the capability."""

CLAIMS = (
    Claim(
        id="scale.one_layer",
        sentence="One layer does not copy, however wide: an induction head takes two.",
        criterion=Criterion("<=", 0.2),
        null_is="no difference between copy and no copy",
        figure="scale_capabilities",
        prose={
            "supported": "On the control task, one layer gains at most {value} accuracy from a copy [{low}, {high}] (the best "
            "width's mean over {n} trainings): copying takes a second layer.{silent}",
            "not supported": "On the control task, one layer gains {value} accuracy from a copy [{low}, {high}] at the best "
            "width ({n} trainings): more than the {threshold} that theory would allow it.{silent}",
            "undecided": "On the control task, one layer gains {value} accuracy from a copy at the best width [{low}, {high}] "
            "({n} trainings), which decides nothing.{silent}",
        },
    ),
    Claim(
        id="scale.two_layers",
        sentence="Two layers copy, at some width.",
        criterion=Criterion(">=", COPIES),
        null_is="one layer of the same width",
        prose={
            "supported": "Two layers of width {width} gain **{value}** accuracy from a copy [{low}, {high}] ({n} trainings; "
            "one layer: {null}). {smallest}",
            "not supported": "Two layers gain only {value} accuracy from a copy at the best width, {width} [{low}, {high}] "
            "({n} trainings; one layer: {null}). {smallest}",
            "undecided": "Two layers of width {width} gain {value} accuracy from a copy [{low}, {high}] ({n} trainings; one "
            "layer: {null}), which decides nothing at a threshold of {threshold}. {smallest}",
        },
    ),
    Claim(
        id="scale.text_heads",
        sentence="No size in the range forms an induction head on ordinary text.",
        criterion=Criterion("<=", HEAD),
        null_is="uniform attention",
        prose={
            "supported": "On the text no size forms an induction head: the best, {cell}, reaches {value} above uniform "
            "attention [{low}, {high}]. {previous}",
            "not supported": "On the text {cell} forms an induction head ({value} above uniform attention [{low}, {high}]). "
            "{previous}",
            "undecided": "On the text the best size, {cell}, reaches {value} above uniform attention [{low}, {high}], which "
            "decides nothing at a threshold of {threshold}. {previous}",
        },
    ),
    Claim(
        id="scale.depth",
        sentence="At the same width, four layers predict the text better than one by 0.05 nats or more.",
        criterion=Criterion(">=", 0.05),
        null_is="no difference",
        figure="scale_loss",
        prose={
            "supported": "Four layers predict the text better than one of the same width by **{value} nats** [{low}, {high}] "
            "({n} pairs of trainings with the same width and seed).",
            "not supported": "Four layers predict the text better than one of the same width by only {value} nats [{low}, "
            "{high}] ({n} pairs of trainings with the same width and seed).",
            "undecided": "Four layers predict the text better than one of the same width by {value} nats [{low}, {high}] ({n} "
            "pairs), which decides nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="scale.width",
        sentence="At the same depth, width 256 predicts the text better than width 64 by 0.05 nats or more.",
        criterion=Criterion(">=", 0.05),
        null_is="no difference",
        prose={
            "supported": "Width 256 predicts it better than width 64 of the same depth by **{value} nats** [{low}, {high}] "
            "({n} pairs).",
            "not supported": "Width 256 predicts it better than width 64 of the same depth by only {value} nats [{low}, "
            "{high}] ({n} pairs).",
            "undecided": "Width 256 predicts it better than width 64 of the same depth by {value} nats [{low}, {high}] ({n} "
            "pairs), which decides nothing at a threshold of {threshold}.",
        },
    ),
)
