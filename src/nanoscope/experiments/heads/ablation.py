"""Experiment 02, ablation: the loss without each single head, each class, each layer's heads, all above a layer, and all.

Mean ablation, position by position. Beside each class stand random sets of as many other heads of the same layers. The text is
of the kind that the model was trained on, so that copying pays in the control.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from nanoscope.analysis.causal import component_ablation, head_ablation
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.experiments.heads.groups import Heads, by_class, by_layer
from nanoscope.experiments.heads.setting import Setting
from nanoscope.model.names import head_name
from nanoscope.model.sites import Site
from nanoscope.text.passages import Passages, passages
from nanoscope.training.own_text import has_copied_spans, with_copied_spans


def ablation(s: Setting, labels: Int[np.ndarray, "layer head"]) -> Sweeps:
    """The loss on the report split without each set of heads, beyond the model's: `costs [set, window]`, and for each class
    `others [cls, draw, window]`, NaN for sets that there are not."""
    classes, most = by_class(labels), s.params.random_sets
    single: dict[str, Heads] = {head_name(*at): (at,) for at in np.ndindex(*labels.shape)}
    named = single | classes | by_layer(labels)
    drawn = {
        name: head_ablation.of_same_size(s.model, group, most, name, s.params.seed) for name, group in classes.items()
    }
    others = {f"{name}: others {i}": heads for name, sets in drawn.items() for i, heads in enumerate(sets)}
    text = own_text(s)
    sites = {name: [Site("z", layer, head=head) for layer, head in heads] for name, heads in (named | others).items()}
    found = component_ablation.cost_without(s.model, text[1::2], sites, text[0::2].tokens)
    values, rows = found.values.astype(np.float32), {name: i for i, name in enumerate(found.labels("set"))}
    beside = np.full((len(classes), most, values.shape[1]), np.nan, dtype=np.float32)
    for c, (name, sets) in enumerate(drawn.items()):
        for i in range(len(sets)):
            beside[c, i] = values[rows[f"{name}: others {i}"]]
    return {
        "costs": Sweep(values[: len(named)], ("set", "window"), "nats", {"set": tuple(named)}),
        "others": Sweep(beside, ("cls", "draw", "window"), "nats", {"cls": tuple(classes)}),
    }


def own_text(s: Setting) -> Passages:
    """Windows of validation text, even ones for the means and odd ones to report; with copied spans for a model that was
    trained on such."""
    text = passages(s.val, s.model.config.block_size, 2 * s.params.windows)
    if has_copied_spans(s.subject.checkpoint.training):
        return with_copied_spans(text, len(s.subject.tokenizer), s.params.seed)
    return text
