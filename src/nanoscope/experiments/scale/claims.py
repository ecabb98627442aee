"""Finding 4b, the claims. The unit is a training; the thresholds are those of finding 1.

`scale.shape` was declared after the first study, in the place of claims that compared models of unlike size: these had the
same number of iterations, but not the same number of parameters or of operations.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.scale.judge import copying_of_one_layer, loss_saved_by_shape

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
        measured="After the same training on the copying control{% if silent %} (without width {silent}, at which no training "
        "of any depth copies){% endif %}, one layer gains {value} accuracy from a copy at the best width [{low}, {high}] ({n} "
        "trainings; more layers, where they gain most: {deeper})",
        clauses={"supported": ": one layer does not copy"},
    ),
    Claim(
        id="scale.shape",
        sentence="Of models with as many parameters and the same training, four layers predict the text better than one by "
        "0.05 nats or more.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=loss_saved_by_shape,
        null_is="no difference",
        figure="scale_loss",
        measured="At the same budget (parameters within {within|percent(0)}, the same tokens), the loss on the text of "
        "{shallow} layer minus that of {deep} is **{value} nats** [{low}, {high}] ({n} pairs of trainings; layers x width: "
        '{shapes|each("{} against {}")})',
    ),
)
