"""Experiment 03, the claims: what would count, written down before any run, and what is to be said under each verdict."""

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.old_claim import Claim

CLAIMS = (
    Claim(
        id="lenses.gradual",
        sentence="The prediction forms gradually: no single layer makes most of it.",
        criterion=Criterion("<=", 0.5),
        null_is="every layer the same share",
        figure="lenses_formation",
        prose={
            "supported": "The prediction forms gradually: read through the tuned lens, the largest step of any layer, "
            "{layer}'s, is {value} [{low}, {high}] of the whole way from the embedding to the output ({steps}).",
            "not supported": "The prediction does not form gradually: read through the tuned lens, {layer} alone makes "
            "**{value}** [{low}, {high}] of the whole way from the embedding to the output ({steps}).",
            "undecided": "Whether the prediction forms gradually is not decided: the largest step, {layer}'s, is {value} of "
            "the way (layer by layer: {steps}); {why}.",
        },
    ),
    Claim(
        id="lenses.first_layer",
        sentence="After the first layer the model is nearest to the bigram table.",
        criterion=Criterion("within", 2.0, 0.5),
        null_is="untrained model",
        figure="lenses_ngrams",
        prose={
            "supported": "After the first layer the tuned lens is nearest to the **bigram** table (KL {kl} nats; the other "
            "tables: {others}).",
            "not supported": "After the first layer the tuned lens is nearest to the table of n = **{value}** [{low}, {high}], "
            "not to the bigram one (KL {kl} nats; the other tables: {others}).",
            "undecided": "After the first layer the tuned lens is nearest to the table of n = {value} [{low}, {high}] (KL {kl} "
            "nats; the other tables: {others}).",
        },
    ),
    Claim(
        id="lenses.deeper",
        sentence="Deeper layers are nearer to longer n-grams.",
        criterion=Criterion(">=", 1.0),
        null_is="no layer differs",
        prose={
            "supported": "With depth it comes nearer to longer contexts: of the tables up to n = {longest}, nearest n by "
            "reading {course}, **{value}** [{low}, {high}] more at the output than after the first layer.",
            "not supported": "With depth it comes nearer to longer contexts by less than {threshold}: of the tables up to "
            "n = {longest}, nearest n by reading {course} (difference {value} [{low}, {high}]).",
            "undecided": "Whether it comes nearer to longer contexts with depth is not decided: of the tables up to n = "
            "{longest}, "
            "nearest n by reading {course} (difference {value} [{low}, {high}]).",
        },
    ),
    Claim(
        id="lenses.beyond",
        sentence="The output knows more than any n-gram table.",
        criterion=Criterion(">=", 0.05),
        null_is="the best table",
        prose={
            "supported": "At the output the model ({loss} nats per character) beats the best table, n = {best} ({table}), by "
            "**{value} nats** [{low}, {high}].",
            "not supported": "At the output the model ({loss} nats per character) does not beat the best table, n = {best} "
            "({table}), by as much as {threshold} (difference {value} [{low}, {high}]).",
            "undecided": "At the output the model has {loss} nats per character, the best table, n = {best}, {table}; the "
            "difference of {value} [{low}, {high}] decides nothing at a threshold of {threshold}.",
        },
    ),
    Claim(
        id="lenses.settles",
        sentence="Predictions settle in the second half of the layers.",
        criterion=Criterion(">=", 0.5),
        null_is="untrained model",
        figure="lenses_settling",
        prose={
            "supported": "Predictions settle (KL to the output stays below 0.1 nats) late: after {readings} of {layers} layers "
            "on average by the tuned lens, **{value}** of the depth [{low}, {high}] (untrained model: {null}); {logit} by the "
            "logit lens. {half}",
            "not supported": "Predictions settle (KL to the output stays below 0.1 nats) early: after {readings} of {layers} "
            "layers on average by the tuned lens, **{value}** of the depth [{low}, {high}] (untrained model: {null}); {logit} "
            "by the logit lens. {half}",
            "undecided": "By the tuned lens predictions settle (KL to the output stays below 0.1 nats) after {readings} of "
            "{layers} layers on average, {value} of the depth [{low}, {high}] (untrained model: {null}); {logit} by the logit "
            "lens. {half}",
        },
    ),
    Claim(
        id="lenses.kinds",
        sentence="How deep a prediction settles depends on what is predicted.",
        criterion=Criterion(">=", 0.1),
        null_is="no kind differs",
        figure="lenses_settling",
        prose={
            "supported": "It depends on what is predicted: {late} settles {value} of the depth later [{low}, {high}] than "
            "{early}. Depth of each kind: {depths}. (The two were chosen on one half of the windows and compared on the "
            "other.)",
            "not supported": "It hardly depends on what is predicted: {late} settles only {value} of the depth later [{low}, "
            "{high}] than {early}. Depth of each kind: {depths}.",
            "undecided": "Whether it depends on what is predicted is not decided: {late} settles {value} of the depth later "
            "[{low}, {high}] than {early}. Depth of each kind: {depths}.",
        },
    ),
    Claim(
        id="lenses.training",
        sentence="In training, the model is nearest to the unigram table first, then the bigram table, and so on.",
        criterion=Criterion(">=", 0.8),
        null_is="no order",
        figure="lenses_training",
        prose={
            "supported": "Training climbs the tables in order: {course} (of pairs of checkpoints that differ, rising minus "
            "falling {value} [{low}, {high}], {n} checkpoints).",
            "not supported": "Training does not climb the tables in order: {course} (of pairs of checkpoints that differ, "
            "rising minus falling {value} [{low}, {high}], {n} checkpoints).",
            "undecided": "Whether training climbs the tables in order is not decided: {course} ({n} checkpoints).",
        },
    ),
    Claim(
        id="lenses.tuned",
        sentence="The tuned lens reads the inner layers better than the logit lens.",
        criterion=Criterion(">=", 0.2),
        null_is="the logit lens",
        prose={
            "supported": "The tuned lens takes **{value}** [{low}, {high}] off the logit lens's KL to the output at the inner "
            "layers ({logit} -> {tuned} nats on average, on text it was not fitted on).",
            "not supported": "The tuned lens takes only {value} [{low}, {high}] off the logit lens's KL to the output at the "
            "inner layers ({logit} -> {tuned} nats on average, on text it was not fitted on).",
            "undecided": "Whether the tuned lens reads the inner layers better than the logit lens is not decided ({logit} and "
            "{tuned} nats from the output): {why}.",
        },
    ),
    Claim(
        id="lenses.computed",
        sentence="What the tuned lens reads was computed by the layers, not learned by the lens.",
        criterion=Criterion(">=", 0.1),
        null_is="the same difference at the embedding, where nothing has been computed",
        prose={
            "supported": "What it reads was computed by the layers: fitted in the same way to the streams of an untrained "
            "model, it stays **{value} nats** [{low}, {high}] farther from this model's outputs at the inner layers ({probe} "
            "against {own}); at the embedding the two differ by {null}.",
            "not supported": "What it reads may be its own learning: fitted in the same way to the streams of an untrained "
            "model, it comes within {value} nats [{low}, {high}] of what it reads from this one ({probe} against {own}).",
            "undecided": "Whether the layers or the lens computed what it reads is not decided ({probe} nats from the output "
            "on an untrained model's streams, {own} on this one's): {why}.",
        },
    ),
    Claim(
        id="lenses.writers",
        sentence="MLPs, not heads, write most of the prediction directly.",
        criterion=Criterion(">=", 0.5),
        null_is="the MLPs' share of all components",
        figure="lenses_writers",
        prose={
            "supported": "MLPs write **{value}** [{low}, {high}] of the next character's logit above the mean directly. The "
            "largest contributions: {largest}.",
            "not supported": "MLPs write only {value} [{low}, {high}] of the next character's logit above the mean directly. "
            "The largest contributions: {largest}.",
            "undecided": "Whether MLPs write most of the next character's logit is not decided: {why}. The largest direct "
            "contributions: {largest}.",
        },
    ),
    Claim(
        id="lenses.reveals",
        sentence="At the inner layers the logit lens says more about the output than a bigram table does.",
        criterion=Criterion(">=", 0.0),
        null_is="a bigram table",
        prose={
            "supported": "At the inner layers the logit lens is **{value} nats** [{low}, {high}] nearer to the output than a "
            "bigram table ({lens} against {table}): it shows predictions forming.",
            "not supported": "At the inner layers the logit lens is {distance} nats farther from the output than a bigram "
            "table ({lens} against {table}): it does not show predictions forming.",
            "undecided": "Whether the logit lens is nearer to the output than a bigram table at the inner layers is not "
            "decided ({lens} and {table} nats): {why}.",
        },
    ),
    Claim(
        id="lenses.meaningful",
        sentence="Settled predictions mind the exchange of a later layer less than open ones.",
        criterion=Criterion("<=", 0.5),
        null_is="settled or open makes no difference",
        prose={
            "supported": "Settling means something: exchanging a layer's output for another window's moves predictions that "
            "had settled before it **{value}** times as much [{low}, {high}] as those that had not ({layers}).",
            "not supported": "Settling means little: exchanging a layer's output for another window's moves predictions that "
            "had settled before it {value} times as much [{low}, {high}] as those that had not ({layers}).",
            "undecided": "Whether settling means anything is not decided: exchanging a layer's output moves settled "
            "predictions {value} times as much [{low}, {high}] as open ones ({layers}).",
        },
    ),
    Claim(
        id="lenses.cost",
        sentence="It costs less than a second per layer to read the lens.",
        criterion=Criterion("<=", 1000),
        null_is="nothing",
        kind="timing",
        prose={
            "supported": "Reading the logit lens takes {value} ms per layer for {n} tokens.",
            "not supported": "Reading the logit lens takes {value} ms per layer for {n} tokens: more than the {threshold} that "
            "were allowed.",
            "undecided": "What it costs to read the lens was not measured.",
        },
    ),
    Claim(
        id="lenses.overhead",
        sentence="A forward pass with it takes no more than three times a plain one.",
        criterion=Criterion("<=", 3.0),
        null_is="a plain forward pass",
        kind="timing",
        prose={
            "supported": "A forward pass with the lens at every layer takes {value} times a plain one (median of {n} pairs).",
            "not supported": "A forward pass with the lens at every layer takes {value} times a plain one (median of {n} "
            "pairs): more than the {threshold} that were allowed.",
            "undecided": "What it adds to a forward pass was not measured.",
        },
    ),
)
