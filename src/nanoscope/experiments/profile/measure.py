"""Experiment 00, the numbers: losses, cuts of the context, ablations, sets of heads, and n-gram tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanoscope.analysis.attention import classes
from nanoscope.analysis.causal import component_ablation
from nanoscope.analysis.causal.minimal_heads import all_heads, random_sets
from nanoscope.analysis.prediction import effective_context, table_agreement
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.heads.label import WEAK
from nanoscope.experiments.measuring import Stage, Stages, Sweeps
from nanoscope.experiments.profile.control import control
from nanoscope.experiments.profile.development import along_training
from nanoscope.experiments.profile.kinds import KINDS, members
from nanoscope.experiments.profile.setting import HELD_OUT, TEXTS, Params, Setting, setting_of
from nanoscope.model.config import GPTConfig
from nanoscope.model.names import head_name
from nanoscope.model.sites import Site

MODEL = "model"
ALL, ABOVE = "all heads", "all heads above L0"
CLASSIFIED = 4096
"""About as many tokens are read for the classes of heads."""
RANDOM_SIZES = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 135)


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of experiment 00."""
    s = setting_of(subject, params)
    return {
        "context": Stage(28, lambda before: _context(s)),
        "n-gram tables": Stage(6, lambda before: _tables(s)),
        "classes": Stage(1, lambda before: _classes(s)),
        "ablations": Stage(13, lambda before: _ablations(s, before)),
        "heads one by one": Stage(9, lambda before: _order(s)),
        "sets of heads": Stage(12, lambda before: _sets(s, before)),
        "along its training": Stage(30, lambda before: along_training(s)),
        "control": Stage(1, lambda before: control(s.params.seed)),
    }


def _context(s: Setting) -> Sweeps:
    """The cost of each cut of the context; none for a window of one token."""
    if not effective_context.cuts(s.size):
        return {}
    found = [
        effective_context.cost_of_cuts(s.model, s.windows[text], s.subject.start, s.size * len(s.windows[text])).cost
        for text in TEXTS
    ]
    return {"context": stacked(found, "text", TEXTS)}


def _tables(s: Setting) -> Sweeps:
    """The model beside tables of the training text: losses, by kind of character too, first choices and divergences."""
    found = [table_agreement.over_text(s.model, s.tables, s.windows[text], s.places) for text in TEXTS]
    predictors = (MODEL, *(f"{n}-gram" for n in range(1, len(found[0].table_loss) + 1)))
    losses = [np.concatenate([one.loss[None], one.table_loss]) for one in found]
    kinds = [members(s.text[text], s.windows[text], s.places).astype(float) for text in TEXTS]
    summed = [np.einsum("nwp,kwp->nkw", loss, of) for loss, of in zip(losses, kinds, strict=True)]
    named = {"text": TEXTS, "predictor": predictors, "kind": KINDS, "way": table_agreement.WAYS}
    orders = {"n": tuple(range(1, len(predictors)))}

    def sweep(values: Sequence[np.ndarray], unit: str, *dims: str) -> Sweep:
        coords = {dim: labels for dim, labels in (named | orders).items() if dim in dims}
        return Sweep(np.stack(values), dims, unit, coords)

    return {
        "loss": sweep([loss.mean(-1) for loss in losses], "nats", "text", "predictor", "window"),
        "kind_loss": sweep(summed, "nats, summed", "text", "predictor", "kind", "window"),
        "kind_count": sweep([of.sum(-1) for of in kinds], "places", "text", "kind", "window"),
        "agreement": sweep([one.ways for one in found], "nats or share", "text", "way", "n", "window"),
    }


def _classes(s: Setting) -> Sweeps:
    """Which heads belong to which class of attention: the largest, if weak at least. None if the context is too short."""
    if s.size < 2 * classes.FARTHEST + 2:
        return {}
    windows = s.windows[HELD_OUT][0::2]
    some = windows[:: -(-len(windows) // max(4, CLASSIFIED // s.size))]
    found = classes.attention(s.model, some.tokens, classes.token_targets(s.text[HELD_OUT], some))
    scores = classes.mean_of_present(classes.scores(found).values)
    largest = (np.arange(len(scores))[:, None, None] == scores.argmax(0)) & (scores >= WEAK)
    return {"classes": Sweep(largest.astype(float), ("cls", "layer", "head"), "member", {"cls": classes.CLASSES})}


def class_heads(classified: Sweep) -> dict[str, tuple[tuple[int, int], ...]]:
    """The heads of every class that has any."""
    of = {
        str(name): np.argwhere(row > 0) for name, row in zip(classified.labels("cls"), classified.values, strict=True)
    }
    return {name: tuple((int(layer), int(head)) for layer, head in at) for name, at in of.items() if len(at)}


def component_sets(config: GPTConfig) -> dict[str, component_ablation.Components]:
    """Every head, every MLP, the heads of every layer, of all layers, and of all above layer 0 if there are any."""
    layers = [Site("z", layer) for layer in range(config.n_layer)]
    together: dict[str, component_ablation.Components] = {f"heads of L{n}": (site,) for n, site in enumerate(layers)}
    together |= {ALL: layers} | ({ABOVE: layers[1:]} if layers[1:] else {})
    return component_ablation.heads(config) | component_ablation.mlps(config) | together


def _ablations(s: Setting, before: Sweeps) -> Sweeps:
    """The cost of each set of components, on both texts."""
    groups = class_heads(before["classes"]) if "classes" in before else {}
    sets = component_sets(s.model.config) | {
        f"class {name}": [Site("z", layer, head=head) for layer, head in heads] for name, heads in groups.items()
    }
    found = [
        component_ablation.cost_without(s.model, s.judged(text, s.params.ablated_windows), sets, s.reference)
        for text in TEXTS
    ]
    return {"ablation": stacked(found, "text", TEXTS)}


def _order(s: Setting) -> Sweeps:
    """The heads in the order of their removal."""
    order = s.heads.order_of_removal(s.searched)
    names = tuple(head_name(*head) for head in order)
    return {
        "order": Sweep(np.array(order), ("removed", "part"), "index", {"removed": names, "part": ("layer", "head")})
    }


def _sets(s: Setting, before: Sweeps) -> Sweeps:
    """The cost of keeping only the last heads of that order, for every number of them; and of keeping random ones."""
    order = [(int(layer), int(head)) for layer, head in before["order"].values]
    nested = [order[len(order) - kept :] for kept in range(len(order) + 1)]
    judged = {text: s.judged(text, s.params.kept_windows) for text in TEXTS}
    kept = [s.heads.keeping(judged[text], nested) for text in TEXTS]
    sizes = tuple(size for size in RANDOM_SIZES if size < len(order))
    drawn = random_sets(all_heads(s.model.config), sizes, s.params.random_sets, s.params.seed)
    flat = s.heads.keeping(judged[HELD_OUT], [one for of_size in drawn for one in of_size])
    random = flat.reshape(len(sizes), s.params.random_sets, len(judged[HELD_OUT]))
    return {
        "kept": Sweep(np.stack(kept), ("text", "kept", "window"), "nats", {"text": TEXTS}),
        "random": Sweep(random, ("kept", "draw", "window"), "nats", {"kept": sizes}),
    }
