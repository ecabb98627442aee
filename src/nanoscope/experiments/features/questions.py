"""What a student asks about features."""

from nanoscope.evidence.answer import Question

QUESTIONS = (
    Question(
        "Does a dictionary explain more of this model than of an untrained one?",
        "features.twin",
        "it leaves {own|percent} of the variance, {twin|percent} of the untrained model's",
    ),
    Question(
        "Does it explain clearly more than as many principal components or coordinates?",
        "features.basis",
        "it leaves {own|percent} of the variance, the better of them {best|percent}",
    ),
    Question(
        "Has each concept a feature of its own?",
        "features.concepts",
        "{count} of {n} have; a single neuron of that layer tells {neurons} of them, a feature of an untrained model {twin}",
    ),
    Question(
        "Does another seed find the same features?",
        "features.recur",
        "it finds {value|percent(0)} of them",
    ),
    Question(
        "Do the edges of one prediction's graph hold, each by itself?",
        "features.graph",
        "{value|percent(0)} of its strongest edges are what interventions find with the rest held; its replacement score is "
        "{replacement}",
    ),
)
