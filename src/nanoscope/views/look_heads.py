"""The classes of a model's heads, with fewer examples than the experiment `heads` takes, and their induction scores.

A head is labelled on every second window and keeps its label if it scores at least weakly on the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from nanoscope.analysis.attention import classes
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.heads.label import ALL_CLASSES, FAMILIES, classes_of, in_words, labels
from nanoscope.experiments.heads.setting import Params, Setting, induction, with_induction
from nanoscope.tasks import synthetic
from nanoscope.text.corpora.corpus import Corpus

FEW = Params(windows=24, sequences=12, permutations=300)
Head = tuple[int, int]


@dataclass(frozen=True)
class HeadClasses:
    """What every head attends to. `label [layer, head]` is its largest class, an index into `ALL_CLASSES`; -1 for none."""

    label: Int[np.ndarray, "layer head"]
    classes: tuple[tuple[tuple[str, ...], ...], ...] = field(repr=False)
    """All classes of each head, `[layer][head]`, the largest first (`heads.label.classes_of`)."""
    scores: Sweep = field(repr=False)
    """`[cls, layer, head]`, shares of attention above chance, on the windows that labelled no head."""
    induction: Sweep = field(repr=False)
    """`[split, length, layer, head, example]`, attention above uniform to what followed the current token's earlier
    occurrences in random sequences; splits "select" and "report"."""
    induction_p: Float[np.ndarray, "layer head"] = field(repr=False)
    """From permuted tokens, corrected for all heads; the largest over the block lengths."""

    def named(self, layer: int, head: int) -> str:
        """A head's classes in words, empty if it has none."""
        return in_words(self.classes[layer][head])

    def score(self, layer: int, head: int) -> float:
        """A head's score of its class, or of the class where it is highest."""
        label, scores = int(self.label[layer, head]), self.scores.values[:, layer, head]
        return float(scores.max() if label < 0 else scores[label])

    def members(self) -> dict[str, tuple[Head, ...]]:
        """The heads of each class that is the largest of any, in the order of the classes."""
        found = {
            name: tuple((int(layer), int(head)) for layer, head in np.argwhere(self.label == index))
            for index, name in enumerate(ALL_CLASSES)
        }
        return {name: heads for name, heads in found.items() if heads}


def head_classes(checkpoint: Checkpoint, corpus: Corpus, params: Params = FEW) -> HeadClasses:
    """Label every head. NanoscopeError where the context or the text is too short for that."""
    s = _setting(checkpoint, corpus, params)
    select, report = (s.splits[split].attention(s.model) for split in ("select", "report"))
    copied = {split: induction(s, s.model, split) for split in ("select", "report")}
    scores, p_induction = with_induction(select, copied["select"]), s.induction_p
    p = np.concatenate([classes.p_values(select, params.permutations, params.seed).values, p_induction[None]])
    p = Sweep(np.minimum(FAMILIES * p, 1), scores.dims, "p", scores.coords)
    sweeps = {
        "scores_select": scores,
        "scores_report": with_induction(report, copied["report"]),
        "p": p,
        "label": Sweep(labels(scores, p), ("layer", "head"), "class"),
    }
    config = s.model.config
    found = tuple(
        tuple(classes_of(sweeps, layer, head) for head in range(config.n_head)) for layer in range(config.n_layer)
    )
    named = np.array([[bool(names) for names in row] for row in found])
    both = np.stack([copied[split].values for split in copied])
    coords = {"split": tuple(copied), **copied["select"].coords}
    return HeadClasses(
        np.where(named, sweeps["label"].values, -1),
        found,
        sweeps["scores_report"],
        Sweep(both, ("split", *copied["select"].dims), "share above uniform", coords),
        p_induction,
    )


def _setting(checkpoint: Checkpoint, corpus: Corpus, params: Params) -> Setting:
    """The texts that the heads are judged on."""
    subject = Subject(checkpoint, corpus, "")
    train, val = checkpoint.encode(corpus.train), subject.read(corpus.val)
    context = checkpoint.model.config.block_size
    if context < 2 * classes.FARTHEST + 2:
        raise NanoscopeError(
            f"a context of {context} is too short to tell classes of heads apart: they need {2 * classes.FARTHEST + 2} or more"
        )
    if len(val) < 8 * context:
        raise NanoscopeError(f"the validation text has {len(val):,} tokens, fewer than 8 windows of {context}")
    return Setting(subject, params, train, val, synthetic.alphabet(train, checkpoint.model.config.vocab_size))
