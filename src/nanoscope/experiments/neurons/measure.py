"""Neurons, the numbers: statistics over the text, the search for concepts, the planted neuron, ablation, cards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from nanoscope.analysis.neurons import ablation, output_weights
from nanoscope.analysis.neurons import statistics as neurons
from nanoscope.analysis.neurons.activations import require_neurons
from nanoscope.analysis.neurons.selectivity import SELECTIVE
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.experiments.measuring import Stage, Stages, Sweeps, arrays_of, private
from nanoscope.experiments.neurons.cards import Neuron, cards
from nanoscope.experiments.neurons.control import control
from nanoscope.experiments.neurons.labels import CONTEXT, CURRENT, KIND, labels
from nanoscope.experiments.neurons.reporting import report
from nanoscope.experiments.neurons.search import Found, Split, described, search
from nanoscope.model.folded import fold
from nanoscope.model.gpt import GPT, untrained
from nanoscope.progress import Progress, silent
from nanoscope.seeds import seed_for
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.windows import Windows, windows

FEWEST_WINDOWS = 4
KEPT = ("positive", "sparsity", "hoyer", "kurtosis", "max")
"""The statistics of every neuron that are stored: those that the figure and the page read."""


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are for the published findings; `QUICK` is for the first five minutes."""

    characters: int = 131_072
    """Characters of the whole text, in evenly spaced windows, for statistics and examples."""
    select: int = 32_768
    """Characters of the training text on which neurons are chosen."""
    report: int = 32_768
    """Characters of the validation text on which the chosen neurons are measured."""
    shifts: int = 2000
    """Fewest shifts of the labels in the permutation test."""
    least: int = 100
    """Concepts with fewer characters in a split are left out."""
    examples: int = 20
    """Strongest and weakest examples of each neuron."""
    sample: int = 4096
    """Characters for quantiles."""
    ablated: int = 6
    """Neurons that are ablated, the most selective for a context first."""
    random_neurons: int = 2
    """Random neurons of the same layer as controls for each ablated one."""
    ablation_windows: int = 24
    """Windows of validation text on which they are ablated."""
    cards: int = 4
    """Neurons that get a card with examples, the most selective first."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, ablation_windows=2)


QUICK = Params(
    characters=24_576,
    select=8192,
    report=8192,
    least=40,
    sample=2048,
    ablated=4,
    random_neurons=1,
    ablation_windows=32,
)


@dataclass(frozen=True)
class Setting:
    """The model and the splits of the text."""

    subject: Subject
    params: Params
    text: TokenizedText
    whole: Windows
    select: Split
    report: Split
    rare: int
    """Concepts left out because too few characters have them."""

    @property
    def checkpoint(self) -> Checkpoint:
        return self.subject.checkpoint

    @property
    def model(self) -> GPT:
        return self.checkpoint.model

    @cached_property
    def untrained(self) -> GPT:
        return untrained(self.model, "untrained model", self.params.seed)

    @cached_property
    def over(self) -> neurons.OverText:
        """Kept in memory only: too much for a disk."""
        return over_text(self)


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of the experiment. NanoscopeError for a model without neurons."""
    s = setting_of(subject, params)
    require_characters(s)
    return {
        "statistics": Stage(15, lambda before: {**_kept(s.over), "counts": _counts(s)}),
        "search": Stage(45, lambda before: _search(s)),
        "roles": Stage(0, lambda before: _roles(s)),
        "report": Stage(7, lambda before: report(s.model, s.untrained, s.report, _found(before), params.seed)),
        "control": Stage(5, lambda before: control(s.checkpoint, s.select, s.report, params.shifts, params.seed)),
        "ablation": Stage(26, lambda before: _ablation(s, _found(before), before["statistics"])),
        "cards": Stage(2, lambda before: _cards(s, _found(before))),
    }


def setting_of(subject: Subject, params: Params) -> Setting:
    """The model and its texts; NanoscopeError if it has no neurons, or the text is too short or has unknown characters."""
    checkpoint, corpus = subject.checkpoint, subject.corpus
    require_neurons(checkpoint.model)
    context = checkpoint.model.config.block_size
    text, train, val = (subject.read(part) for part in (corpus.text, corpus.train, corpus.val))
    if len(val) <= FEWEST_WINDOWS * context:
        raise too_short(len(val), FEWEST_WINDOWS * context + 1, f"windows of {context}")
    most = (params.characters, max(params.select, 3 * context), params.report)
    whole, select, other = (
        windows(part.tokens, context, count, part.start) for part, count in zip((text, train, val), most, strict=True)
    )
    here, there, rare = labels((train, select), (val, other), params.least)
    return Setting(subject, params, text, whole, Split(select, here), Split(other, there), rare)


def require_characters(setting: Setting) -> None:
    """NanoscopeError if no character is frequent enough to be a concept: the planted neuron of the control detects one."""
    if CURRENT in setting.select.labels.families:
        return
    least, most = setting.params.least, min(map(_most_frequent, (setting.select.windows, setting.report.windows)))
    if most == 0:
        raise NanoscopeError("the text has only one symbol, so there is nothing that a neuron could tell apart")
    raise NanoscopeError(
        f"no character is frequent enough in this text: {least} are needed in each part, and there are at most {most}; give a "
        f"text about {math.ceil(least / most)} times as long with --data, or --least {max(1, most // 2)}"
    )


def _most_frequent(windows: Windows) -> int:
    """How often the best character occurs, or fails to, in some windows: the larger, the easier it is to test."""
    tokens = windows.read(windows.tokens).flatten()
    count = torch.bincount(tokens)
    return int(torch.minimum(count, len(tokens) - count).max())


def over_text(setting: Setting, progress: Progress = silent) -> neurons.OverText:
    """Statistics and examples of every neuron over the whole text."""
    params = setting.params
    return neurons.over_text(
        setting.model,
        setting.whole,
        setting.text,
        params.examples,
        params.sample,
        params.seed,
        progress=progress,
    )


def search_in(setting: Setting) -> Found:
    """The best neuron for every concept and layer."""
    return search(setting.model, setting.untrained, setting.select, setting.params.shifts, setting.params.seed)


def _search(setting: Setting) -> Sweeps:
    """The search as sweeps, and as arrays for later stages."""
    found = search_in(setting)
    return {**described(found, setting.select.labels), **private("found", vars(found))}


def _found(before: Sweeps) -> Found:
    arrays = arrays_of("found", before)
    return Found(**{**arrays, "probes": torch.from_numpy(arrays["probes"])})


def _cards(s: Setting, found: Found) -> Sweeps:
    chosen = most_selective(found, s, s.params.cards)
    return cards(s.model, s.over, s.whole, s.text, raised_by(s, chosen), chosen)


def raised_by(setting: Setting, neurons: Sequence[Neuron]) -> Sweep:
    """What some neurons add to each token's logit per unit of activation, `[card, token]`."""
    values = output_weights.of_neurons(fold(setting.model), neurons)
    return Sweep(values, ("card", "token"), output_weights.UNIT, {"token": _names(setting)})


def _names(setting: Setting) -> tuple[str, ...]:
    return setting.subject.tokenizer.names(setting.model.config.vocab_size)


def most_selective(found: Found, setting: Setting, most: int, *families: str) -> list[Neuron]:
    """At most `most` neurons that are best for concepts of these families (default: context, then kinds of character).

    Each once, context concepts first, then by AUROC."""
    wanted = families or (CONTEXT, KIND)
    best = found.best[0].max(axis=0)
    families = setting.select.labels.families
    kept = [c for c in np.argsort(-best, kind="stable") if families[c] in wanted] or [int(best.argmax())]
    order = sorted(kept, key=lambda c: families[c] != CONTEXT)
    return list(dict.fromkeys((int(found.layer[c]), int(found.neuron[c])) for c in order))[:most]


def _ablation(setting: Setting, found: Found, statistics: Sweep) -> Sweeps:
    """The change of the loss when the best neurons for context concepts, and random ones of their layers, are ablated."""
    params, split = setting.params, setting.report.windows
    chosen = most_selective(found, setting, params.ablated, CONTEXT)
    groups = [chosen, _random_neurons(setting, chosen)]
    every = [neuron for group in groups for neuron in group]
    largest = statistics.sel(statistic="max").values
    tokens = split.tokens[np.linspace(0, len(split) - 1, min(len(split), params.ablation_windows)).astype(int)]
    ablated = ablation.without_neurons(
        setting.model, tokens[:, :-1], tokens[:, 1 + split.lead :], every, [neurons.ACTIVE * largest[n] for n in every]
    )
    best = {(int(found.layer[c]), int(found.neuron[c])): found.best[0].max(0)[c] for c in range(len(found.layer))}
    passing = np.array([best.get(neuron, 0.0) >= SELECTIVE for neuron in chosen] + [False] * len(groups[1]))
    names = ablated.change.coords["neuron"]
    group = np.repeat([0, 1], [len(part) for part in groups])
    return {
        "ablation": ablated.change,
        "ablation_count": ablated.count,
        "ablation_group": Sweep(group, ("neuron",), "0: chosen, 1: random", {"neuron": names}),
        "ablation_passing": Sweep(passing, ("neuron",), "yes or no", {"neuron": names}),
    }


def _random_neurons(setting: Setting, chosen: list[Neuron]) -> list[Neuron]:
    """`random_neurons` other neurons of the same layer for each chosen one, none twice."""
    rng = np.random.default_rng(seed_for("random neurons", setting.params.seed))
    width = setting.model.config.d_mlp
    picked: list[Neuron] = []
    for layer in dict.fromkeys(layer for layer, _ in chosen):
        mine = [neuron for at, neuron in chosen if at == layer]
        others = rng.permutation(np.setdiff1d(np.arange(width), mine))
        picked += [(layer, int(neuron)) for neuron in others[: setting.params.random_neurons * len(mine)]]
    return picked


def _roles(setting: Setting) -> Sweeps:
    """The role that the distribution of each neuron's output weights implies."""
    shape = output_weights.shape(fold(setting.model))
    roles = output_weights.roles(shape, len(_names(setting)))
    return {"roles": replace(roles, values=roles.values.astype(np.int8))}


def _kept(over: neurons.OverText) -> Sweeps:
    """What is stored of every neuron. Quantiles and examples are only for cards, which hold their own."""
    kept = np.stack([over.statistics.sel(statistic=name).values for name in KEPT]).astype(np.float32)
    return {"statistics": Sweep(kept, over.statistics.dims, over.statistics.unit, {"statistic": KEPT})}


def _counts(setting: Setting) -> Sweep:
    """The number of characters in each part, and of concepts left out as too rare."""
    parts = {
        "characters": setting.whole,
        "select": setting.select.windows,
        "report": setting.report.windows,
    }
    values = [of.places.size for of in parts.values()] + [setting.rare]
    return Sweep(np.array(values), ("part",), "characters; concepts", {"part": (*parts, "rare")})
