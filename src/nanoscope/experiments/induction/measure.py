"""Experiment 01, the numbers: behaviour, attention, weights, patching, ablation, lens and attribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.attention import composition, repeated_sequences
from nanoscope.analysis.causal import head_ablation, patching
from nanoscope.analysis.prediction import behaviour, direct_attribution, logit_lens
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject, Sweeps, require_least, timed, untrained
from nanoscope.experiments.induction.select import Head, Selection, p_values, select
from nanoscope.model.folded import fold, head_weights, require_foldable
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics, synthetic
from nanoscope.tasks.natural import natural_copies, natural_lookups
from nanoscope.tasks.task import Task
from nanoscope.text.ngrams import NGrams
from nanoscope.text.windows import room, spread_windows

TABLES = 5
LONG_MATCH = 5


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are for the published findings; `QUICK` is for the first five minutes."""

    sequences: int = 64
    """Repeated sequences per block length, on each of the two splits (selection, report)."""
    patch_examples: int = 32
    natural_examples: int = 256
    natural_length: int = 24
    windows: int = 400
    """Windows of validation text for the loss by match length."""
    permutations: int = 500
    random_models: int = 5
    random_sets: int = 20
    null_draws: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        require_least(self, sequences=2, patch_examples=2, natural_examples=2)


QUICK = Params(
    sequences=32,
    patch_examples=16,
    natural_examples=128,
    windows=150,
    permutations=200,
    random_models=3,
    null_draws=60,
)
PLANTED = Params(
    sequences=16,
    patch_examples=8,
    natural_examples=32,
    windows=30,
    permutations=100,
    random_models=1,
    random_sets=4,
    null_draws=20,
)
SETTINGS = {
    "quick": QUICK,
    "many": replace(QUICK, sequences=64, natural_examples=256),
    "control": replace(QUICK, patch_examples=64),
    "planted": PLANTED,
}


@dataclass(frozen=True)
class _Setting:
    """The model and everything that tasks for it are made of."""

    model: GPT
    symbols: Tensor
    start: int | None
    lengths: tuple[int, ...]
    train: Tensor
    val: Tensor
    params: Params

    @property
    def block(self) -> int:
        """The block length of the paired tasks: the shortest one."""
        return self.lengths[0]

    def paired(self, *labels: object, examples: int | None = None, reads: list[int] | None = None) -> Task:
        prefix = min(4, room(self.model.config.block_size, self.start) - 2 * self.block)
        count = self.params.sequences if examples is None else examples
        seeds = (*labels, self.params.seed)
        return synthetic.repeated(self.symbols, self.block, count, *seeds, prefix=prefix, start=self.start, reads=reads)

    def repeats(self, length: int, *labels: object) -> synthetic.Repeats:
        context = self.model.config.block_size
        return synthetic.repeats(
            self.symbols, length, context, self.params.sequences, self.start, *labels, self.params.seed
        )


def measure(subject: Subject, params: Params) -> Sweeps:
    """All numbers of experiment 01, by name."""
    setting = _setting(subject, params)
    attention = _attention(setting)
    chosen = select(attention["scores_select"], attention["permutation_p"])
    stages: dict[str, Callable[[], Sweeps]] = {
        "behaviour": lambda: _behaviour(setting),
        "untrained models": lambda: _random_models(setting),
        "weights": lambda: _weights(setting, chosen),
        "patching": lambda: _patching(setting, chosen),
        "ablation": lambda: _ablation(setting, chosen),
        "lens": lambda: _lens(setting),
        "patterns": lambda: _patterns(setting, chosen, subject),
    }
    return attention | timed(stages)


def _setting(subject: Subject, params: Params) -> _Setting:
    checkpoint, corpus = subject.checkpoint, subject.corpus
    require_foldable(checkpoint.model)
    train, val = checkpoint.encode(corpus.train), checkpoint.encode(corpus.val)
    context = checkpoint.model.config.block_size
    if len(val) < 2 * context:
        raise NanoscopeError(f"the validation text has {len(val)} characters, too few for windows of {context}")
    symbols = synthetic.alphabet(train, checkpoint.model.config.vocab_size)
    lengths = synthetic.lengths_that_fit(room(context, subject.start), len(symbols))
    return _Setting(checkpoint.model, symbols, subject.start, lengths, train, val, params)


def _behaviour(s: _Setting) -> Sweeps:
    """Accuracy and log-probability on every kind of copy, beside what n-gram tables achieve."""
    known = int(torch.cat([s.train, s.val]).max()) + 1
    tables = NGrams.fit(s.train.numpy(), known, TABLES)
    paired = s.paired("behaviour")
    length = min(s.params.natural_length, room(s.model.config.block_size, s.start) // 2)
    natural = natural_copies(s.val, length, s.params.natural_examples, "behaviour", s.params.seed, start=s.start)
    lookups = [_lookup(s, k) for k in (1, 2, 3)]
    places = natural_lookups(_windows(s), s.train, LONG_MATCH, s.params.seed, start=s.start)
    return {
        "behaviour": behaviour.on_task(s.model, paired),
        "behaviour_tables": behaviour.tables_on_task(tables, paired, known),
        "behaviour_shuffled": behaviour.on_task(s.model, synthetic.shuffled(paired, s.block, s.params.seed)),
        "behaviour_natural": behaviour.on_task(s.model, natural),
        "behaviour_lookup": stacked([behaviour.on_task(s.model, task) for task in lookups], "suffix", (1, 2, 3)),
        "behaviour_places": _nothing() if places is None else behaviour.on_task(s.model, _within(places, s)),
        "match_length": behaviour.by_match_length(s.model, _windows(s), tables, s.start),
    }


def _within(task: Task, s: _Setting) -> Task:
    """The task without the windows' last token, which is only ever an answer."""
    size = s.model.config.block_size
    return replace(task, clean=task.clean[:, :size], corrupt=task.corrupt[:, :size])


def _nothing() -> Sweep:
    """What is measured on a task without an example."""
    coords = {"measure": ("accuracy", "log_prob"), "run": ("clean", "corrupt")}
    return Sweep(np.empty((2, 2, 0)), ("measure", "run", "example"), "share; nats", coords)


def _lookup(s: _Setting, suffix: int) -> Task:
    length = min(s.model.config.block_size, 40)
    return synthetic.suffix_lookup(
        s.symbols, suffix, length, 2 * s.params.sequences, "behaviour", s.params.seed, start=s.start
    )


def _windows(s: _Setting) -> Tensor:
    """Evenly spread windows of validation text, one token longer than the context, none overlapping another."""
    return spread_windows(s.val, room(s.model.config.block_size, s.start) + 1, s.params.windows)


def _attention(s: _Setting) -> Sweeps:
    """Head scores above uniform attention on two splits, `[length, score, layer, head, example]`, and their p-values."""
    scores: dict[str, list[Sweep]] = {"select": [], "report": []}
    uniform, tests = [], []
    for length in s.lengths:
        for split, parts in scores.items():
            sequences = s.repeats(length, split)
            raw, base = (
                repeated_sequences.attention_scores(s.model, sequences),
                repeated_sequences.uniform_scores(sequences),
            )
            parts.append(repeated_sequences.above_uniform(raw, base))
            uniform += [base.mean("example")] if split == "report" else []
        tests.append(
            repeated_sequences.permutation_test(
                s.model, s.repeats(length, "select"), s.params.permutations, s.params.seed
            )
        )
    return {
        **{f"scores_{split}": stacked(parts, "length", s.lengths) for split, parts in scores.items()},
        "uniform": stacked(uniform, "length", s.lengths),
        "permutation_p": p_values(tests),
    }


def _random_models(s: _Setting) -> Sweeps:
    """The best head and the behaviour of untrained models of the same shape: a reference band, not a test."""
    best, gains = [], []
    for seed in range(s.params.random_models):
        other = replace(s, model=untrained(s.model, "random model", seed, s.params.seed))
        parts = [_mean_scores(other, length) for length in s.lengths]
        best.append(np.min(parts, axis=0).max(axis=(1, 2)))
        runs = behaviour.on_task(other.model, s.paired("behaviour")).values.mean(-1)
        gains.append(runs[:, 0] - runs[:, 1])
    coords = {"measure": ("accuracy", "log_prob")}
    return {
        "random_heads": Sweep(
            np.array(best), ("seed", "score"), "share above uniform", {"score": repeated_sequences.SCORES}
        ),
        "random_gain": Sweep(np.array(gains), ("seed", "measure"), "share; nats", coords),
    }


def _mean_scores(s: _Setting, length: int) -> np.ndarray:
    sequences = s.repeats(length, "report")
    return repeated_sequences.above_uniform(
        repeated_sequences.attention_scores(s.model, sequences), repeated_sequences.uniform_scores(sequences)
    ).values.mean(-1)


def _weights(s: _Setting, chosen: Selection) -> Sweeps:
    """Copying from the weights alone, beside its null."""
    folded, tokens = fold(s.model), s.repeats(s.block, "embedding").tokens
    weights, draws, seed = head_weights(folded), s.params.null_draws, s.params.seed
    read = [composition.as_read(folded, layer, tokens) for layer in range(s.model.config.n_layer)]
    effective = [composition.copying_scores(weights).values[layer] for layer, weights in enumerate(read)]
    layer, _ = chosen.induction[0]
    return {
        "copying": composition.copying_scores(weights),
        "copying_effective": Sweep(np.stack(effective), ("layer", "head"), "score"),
        "copying_null": composition.copying_null(read[layer], draws, seed),
    }


def _patching(s: _Setting, chosen: Selection) -> Sweeps:
    """Heads, and the chosen ones together, read over the whole second copy; layer by position, read at its middle."""
    groups = [_sites(chosen.induction), _sites([chosen.previous]), _sites([*chosen.induction, chosen.previous])]
    names = ("induction heads", "previous-token head", "both")
    copy = s.paired("patching", examples=2 * s.params.patch_examples)
    single = patching.exact(s.model, copy, metrics.logit_diff, patching.heads(s.model, copy))
    together = patching.exact(s.model, copy, metrics.logit_diff, patching.sets(groups))
    plain = np.stack([single.clean, single.corrupt])
    return {
        "patch_heads": single.patched,
        "patch_sets": replace(together.patched, coords={**together.patched.coords, "set": names}),
        "patch_plain": Sweep(plain, ("run", "example"), "logits", {"run": ("clean", "corrupt")}),
        "patch_informative": Sweep(np.array(float(single.informative)), (), "yes or no"),
        **_by_position(s),
    }


def _by_position(s: _Setting) -> Sweeps:
    """Every layer and position, for one query in the middle of the second copy."""
    task = s.paired("position", examples=s.params.patch_examples, reads=[s.block // 2])
    residual = patching.exact(s.model, task, metrics.logit_diff, patching.residual_stream(s.model, task))
    plain = np.stack([residual.clean, residual.corrupt])
    return {
        "position_change": _mean_effect(residual),
        "position_plain": Sweep(plain, ("run", "example"), "logits", {"run": ("clean", "corrupt")}),
        "position_informative": Sweep(np.array(float(residual.informative)), (), "yes or no"),
        "position_roles": _roles(s, task),
    }


def _mean_effect(patched: patching.Patched) -> Sweep:
    """The change of the mean metric in logits, `[direction, layer, pos]`: it stays defined where no share is."""
    values = patched.patched.values
    change = np.stack([(values[0] - patched.corrupt).mean(-1), (patched.clean - values[1]).mean(-1)])
    coords = {dim: labels for dim, labels in patched.patched.coords.items() if dim != "example"}
    return Sweep(change, patched.patched.dims[:-1], "logits", coords)


def _roles(s: _Setting, task: Task) -> Sweep:
    """Positions of the first copy's start, of the token the query matches, of what followed it, and of the query."""
    query = int(task.positions[0, 0])
    values = np.array([task.clean.shape[1] - 2 * s.block, query - s.block, query - s.block + 1, query])
    return Sweep(values, ("role",), "position", {"role": ("first copy", "matched", "followed", "query")})


def _ablation(s: _Setting, chosen: Selection) -> Sweeps:
    """The loss without the chosen heads and without layer-matched random ones: `[run, set, example]`.

    Sets are in this order: none, the induction heads, the previous-token head, random sets.
    """
    task, reference = s.paired("ablation"), s.paired("reference").corrupt
    randoms = head_ablation.layer_matched(s.model, chosen.induction, s.params.random_sets, s.params.seed)
    groups: list[tuple[Head, ...]] = [(), chosen.induction, (chosen.previous,), *randoms]
    return {
        f"ablation_{kind}_{name}": head_ablation.without_heads(s.model, task, metric, groups, reference, kind)
        for kind in ("mean", "zero")
        for name, metric in (("loss", metrics.loss), ("accuracy", metrics.accuracy))
    }


def _lens(s: _Setting) -> Sweeps:
    """How the prediction of the second copy forms over the layers, and who writes it."""
    task = s.paired("lens")
    read = logit_lens.on_task(s.model, task)
    settled = logit_lens.settled(read.sel(measure="agrees").values).mean(-1)
    direct = direct_attribution.logit_difference(s.model, task)
    return {
        "lens": read.mean("read"),
        "lens_settled": Sweep(settled, ("example",), "layer"),
        "attribution": direct.contributions,
        "attribution_unexplained": Sweep(np.array(direct.unexplained), (), "share of the largest logit"),
    }


def _patterns(s: _Setting, chosen: Selection, subject: Subject) -> Sweeps:
    """The attention of the chosen heads on one sequence, labelled by its tokens."""
    sequences = s.repeats(s.block, "report")
    shown: list[Head] = [*chosen.induction[:2], chosen.previous]
    patterns = repeated_sequences.mean_patterns(s.model, sequences, list(dict.fromkeys(shown)))
    vocabulary = subject.checkpoint.vocabulary
    assert vocabulary is not None
    symbols = tuple(vocabulary.decode([int(token)]) for token in sequences.tokens[0])
    return {"patterns": replace(patterns, coords={**patterns.coords, "query": symbols, "key": symbols})}


def _sites(chosen: tuple[Head, ...] | list[Head]) -> list[Site]:
    return [Site("z", layer, head=head) for layer, head in dict.fromkeys(chosen)]
