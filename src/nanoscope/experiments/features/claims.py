"""Features, the claims: criteria fixed before any run, and the sentences that report the results.

The unexplained share of the variance is measured on held-out text, for as many active numbers. A concept counts where the
current character alone does not decide it, and a feature tells it with an AUROC of at least 0.8 on text it was not chosen on,
beyond shifted labels: as for neurons, whose inputs count here only where they are above 0, as features do.
"""

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion
from nanoscope.experiments.features import judge

CLAIMS = (
    Claim(
        id="features.twin",
        sentence="A sparse dictionary explains more of the model's state than the same fit explains of an untrained model's.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=judge.beyond_twin,
        null_is="no difference",
        figure="features_quality",
        measured="On held-out text the dictionary leaves {own|percent} of the variance unexplained with {l0} active features, "
        "that of an untrained twin {twin|percent}: a difference of **{value}** [{low}, {high}]. Put in the activation's place "
        "it costs {cost} nats, where the mean costs {ablated}",
        clauses={"not supported": ", so being explained sets the trained model not apart"},
    ),
    Claim(
        id="features.basis",
        sentence="It explains more than as many principal components or coordinates.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.05),
        evidence=judge.beyond_basis,
        null_is="no difference",
        measured="The dictionary leaves {own|percent} of the variance; with as many numbers chosen for each character, "
        "{basis|each('{} leave {:.2f}')|join(' and ')}. It exceeds the better of them by **{value}** [{low}, {high}]",
    ),
    Claim(
        id="features.concepts",
        sentence="Most concepts that the current character does not decide are told by a single feature.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.single_features,
        null_is="the dictionary of the untrained twin",
        figure="features_concepts",
        measured="Of {n} such concepts **{count}** are told by one feature with an AUROC of at least 0.8; {neurons} by a "
        "neuron of the same layer, {twin} by a feature of the twin. The clearest: "
        "{best|each('{} (feature {}, {:.2f})')|join(', ')}. On average {absorbed|percent(0)} of a concept's characters are "
        "left to other features. On resampled windows the share is {low|percent(0)} to {high|percent(0)}",
        clauses={
            "not supported": ", fewer than half",
            "straddles the criterion": ", so whether most are is not decided",
        },
    ),
    Claim(
        id="features.recur",
        sentence="At least half of the features are found again by a dictionary with another seed.",
        relation="present",
        source="observed",
        criterion=Criterion(">=", 0.5),
        evidence=judge.recurring,
        null_is="the other dictionary, turned at random",
        measured="Of {n} live features **{value|percent(0)}** [{low|percent(0)}, {high|percent(0)}] have a direction with a "
        "cosine of at least 0.7 in a dictionary with another seed (there are {others}), of the untrained twin's "
        "{twin|percent(0)}; the mean largest cosine is {cosine}, with one turned at random {turned}. Planted features are "
        "found with {planted}; in noise without any it is {noise}",
        clauses={"not supported": ": most of them depend on the seed"},
    ),
    Claim(
        id="features.graph",
        sentence="The strongest edges of an attribution graph are what interventions in the model find.",
        relation="predicts",
        source="intervened",
        criterion=Criterion(">=", 0.8),
        evidence=judge.graph_holds,
        null_is="each prediction beside another edge's effect",
        figure="features_graph",
        measured="In the graph of '{answer}' after '{text}', **{value|percent(0)}** [{low|percent(0)}, {high|percent(0)}] of "
        "the {n} strongest edges from features are within a fifth of what the model loses at their target, with attention and "
        "other MLPs held; {signs|percent(0)} have the sign. With nothing held {effects|percent(0)} of the largest whole "
        "effects are within a fifth, and {effect_signs|percent(0)} have the sign; with norms alone free {norms|percent(0)}, "
        "of a tenth of each feature {tenth|percent(0)}. Replacement score {replacement}, completeness score {completeness}",
        clauses={"not supported": ": held norms are not enough"},
    ),
)
