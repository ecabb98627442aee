"""Finding 4b, the claims, fixed before any cell was trained. The unit is a training; the thresholds are those of finding 1."""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.scale.judge import (
    COPIES,
    HEAD,
    best_induction_head_on_text,
    copying_of_one_layer,
    copying_of_two_layers,
    loss_saved_by_depth,
    loss_saved_by_width,
)

SMALLEST = ". The smallest size at which all trainings copy: {smallest}"
WITH_PREVIOUS = (
    ". All trainings form a previous-token head at these sizes (layers x width): {have_previous|each('{} x {}')}"
)

CLAIMS = (
    Claim(
        id="scale.one_layer",
        sentence="One layer does not copy, however wide.",
        relation="absent",
        source="observed",
        criterion=Criterion("<=", 0.2),
        evidence=copying_of_one_layer,
        null_is="no difference between copy and no copy",
        figure="scale_capabilities",
        measured="On the copying control{% if silent %} (without width {silent}, at which no training of any depth copies)"
        "{% endif %}, one layer gains {value} accuracy from a copy at the best width [{low}, {high}] ({n} trainings)",
        clauses={"supported": ": one layer does not copy"},
    ),
    Claim(
        id="scale.two_layers",
        sentence="Two layers copy, at some width.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", COPIES),
        evidence=copying_of_two_layers,
        null_is="one layer of the same width",
        measured="At width {width}, where two layers copy best, they gain **{value}** accuracy from a copy [{low}, {high}] "
        "({n} trainings; one layer of this width: {null})",
        clauses={
            "supported": SMALLEST,
            "not supported": f": less than the {{threshold}} that would count{SMALLEST}",
            "straddles the criterion": f", which does not decide it (it takes {{criterion}}){SMALLEST}",
        },
    ),
    Claim(
        id="scale.text_heads",
        sentence="No size in the range forms an induction head on ordinary text.",
        relation="absent",
        source="observed",
        criterion=Criterion("<=", HEAD),
        evidence=best_induction_head_on_text,
        null_is="uniform attention",
        measured="On text the best size, {layers} layers of width {width}, has an induction score of {value} [{low}, {high}] "
        "above uniform attention",
        clauses={
            "supported": f": no size forms an induction head{WITH_PREVIOUS}",
            "not supported": f": it forms an induction head{WITH_PREVIOUS}",
            "straddles the criterion": f", which does not decide it (it takes {{criterion}}){WITH_PREVIOUS}",
        },
    ),
    Claim(
        id="scale.depth",
        sentence="At the same width, four layers predict the text better than one by 0.05 nats or more.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=loss_saved_by_depth,
        null_is="no difference",
        figure="scale_loss",
        measured="With {large} layers instead of {small} at the same width, the loss on the text is lower by **{value} nats** "
        "[{low}, {high}] ({n} pairs of trainings with the same width and seed)",
    ),
    Claim(
        id="scale.width",
        sentence="At the same depth, width 256 predicts the text better than width 64 by 0.05 nats or more.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=loss_saved_by_width,
        null_is="no difference",
        measured="With width {large} instead of {small} at the same depth, the loss on the text is lower by **{value} nats** "
        "[{low}, {high}] ({n} pairs of trainings)",
    ),
)
