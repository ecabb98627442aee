"""Experiment 01, the numbers: behaviour, attention, weights, patching, ablation, lens and attribution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from nanoscope.analysis.attention import composition, prefix_matching, repeated_sequences
from nanoscope.analysis.causal import head_ablation, patching
from nanoscope.analysis.prediction import behaviour, copying, direct_attribution, logit_lens
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.induction import routes
from nanoscope.experiments.induction.select import Head, Selection, p_values, select
from nanoscope.experiments.induction.setting import JUDGED, Params, Setting, setting_of
from nanoscope.experiments.measuring import Stage, Stages, Sweeps
from nanoscope.model.folded import fold, head_weights
from nanoscope.model.gpt import untrained
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics, synthetic
from nanoscope.tasks.natural import natural_copies
from nanoscope.tasks.task import Task
from nanoscope.text.windows import room, spread_windows


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of experiment 01."""
    setting = setting_of(subject, params)
    return {
        "attention": Stage(23, lambda before: _attention(setting)),
        "prefixes": Stage(5, lambda before: _prefixes(setting)),
        "behaviour": Stage(11, lambda before: _behaviour(setting)),
        "copying in text": Stage(12, lambda before: _copying_in_text(setting)),
        "untrained models": Stage(20, lambda before: _random_models(setting)),
        "weights": Stage(6, lambda before: _weights(setting, _chosen(before))),
        "patching": Stage(11, lambda before: _patching(setting, _chosen(before))),
        "routes": Stage(3, lambda before: _routes(setting, _chosen(before), before["patch_informative"])),
        "ablation": Stage(8, lambda before: _ablation(setting, _chosen(before))),
        "lens": Stage(1, lambda before: _lens(setting)),
        "patterns": Stage(0, lambda before: _patterns(setting, _chosen(before), subject)),
    }


def _chosen(before: Sweeps) -> Selection:
    """The heads that later stages use."""
    return select(before["scores_select"], before["permutation_p"])


def _behaviour(s: Setting) -> Sweeps:
    """Accuracy and log-probability on every kind of copy, with n-gram tables as baselines."""
    known, tables = s.known, s.tables
    paired = s.paired("behaviour")
    length = min(s.params.natural_length, room(s.model.config.block_size, s.start) // 2)
    natural = natural_copies(s.val, length, s.params.natural_examples, "behaviour", s.params.seed, start=s.start)
    lookups = [_lookup(s, k) for k in (1, 2, 3)]
    return {
        "behaviour": behaviour.on_task(s.model, paired),
        "behaviour_tables": behaviour.tables_on_task(tables, paired, known),
        "behaviour_shuffled": behaviour.on_task(s.model, synthetic.shuffled(paired, s.block, s.params.seed)),
        "behaviour_natural": behaviour.on_task(s.model, natural),
        "behaviour_lookup": stacked([behaviour.on_task(s.model, task) for task in lookups], "suffix", (1, 2, 3)),
        "match_length": behaviour.by_match_length(s.model, _windows(s), tables, s.start),
    }


def _copying_in_text(s: Setting) -> Sweeps:
    """What earlier occurrences are worth in real text where copying is right, and how many such places there are.

    `copy_costs [run, place]` at places drawn at random: of matches of `JUDGED` tokens or more together, of shorter ones length
    by length. `copy_places [part, place]`: window and length of match of each. `copy_counts [match]`: all that were found.
    """
    text = s.searched
    lengths = copying.longest_copies(text.text.numpy())
    groups = [(JUDGED, copying.LONGEST, s.params.places), *((n, n, s.params.short_places) for n in range(1, JUDGED))]
    drawn = [copying.drawn_places(text, lengths, *group, s.params.seed) for group in groups]
    costs = [copying.costs(s.model, text, places, s.tables, s.params.seed) for places in drawn]
    where = [np.stack([places.window, lengths[places.window, places.read]]) for places in drawn]
    counts = np.bincount(lengths.ravel(), minlength=copying.LONGEST + 1)
    return {
        "copy_costs": replace(costs[0], values=np.concatenate([one.values for one in costs], axis=1)),
        "copy_places": Sweep(np.concatenate(where, axis=1), ("part", "place"), "index", {"part": ("window", "match")}),
        "copy_counts": Sweep(counts, ("match",), "places", {"match": tuple(range(copying.LONGEST + 1))}),
    }


def _prefixes(s: Setting) -> Sweeps:
    """Prefix matching by one to five tokens of every head, in real text and in copies of random symbols that repeat."""
    found = {}
    for name, tokens in (("text", _windows(s)[:, :-1]), ("copies", s.ambiguous("prefixes"))):
        scores = prefix_matching.prefix_scores(s.model, tokens, s.start, copying.NEAREST)
        found |= {f"prefix_{name}": _single(scores.sums), f"prefix_{name}_queries": scores.queries}
    return found


def _single(sweep: Sweep) -> Sweep:
    """The sweep in single precision."""
    return replace(sweep, values=sweep.values.astype(np.float32))


def _routes(s: Setting, chosen: Selection, informative: Sweep) -> Sweeps:
    """By which inputs the induction heads are driven; nothing where there are none, or nothing to localise."""
    if not (chosen.found and informative.values and routes.possible(s.model)):
        return {}
    task = s.paired("patching", examples=s.params.patch_examples)
    return routes.measure(s.model, task, chosen.induction)


def _lookup(s: Setting, suffix: int) -> Task:
    length = min(s.model.config.block_size, 40)
    return synthetic.suffix_lookup(
        s.symbols, suffix, length, 2 * s.params.sequences, "behaviour", s.params.seed, start=s.start
    )


def _windows(s: Setting) -> Tensor:
    """Evenly spaced windows of validation text without overlap, one token longer than the context."""
    return spread_windows(s.val, room(s.model.config.block_size, s.start) + 1, s.params.windows)


def _attention(s: Setting) -> Sweeps:
    """Head scores above uniform attention on two splits, `[length, score, layer, head, example]`, and their p-values."""
    scores: dict[str, list[Sweep]] = {"select": [], "report": []}
    uniform, tests = [], []
    for length in s.lengths:
        for split, parts in scores.items():
            sequences = s.sequences(length, split)
            raw, base = (
                repeated_sequences.attention_scores(s.model, sequences),
                repeated_sequences.uniform_scores(sequences),
            )
            parts.append(repeated_sequences.above_uniform(raw, base))
            uniform += [base.mean("example")] if split == "report" else []
        tests.append(
            repeated_sequences.permutation_test(
                s.model, s.sequences(length, "select"), s.params.permutations, s.params.seed
            )
        )
    return {
        **{f"scores_{split}": stacked(parts, "length", s.lengths) for split, parts in scores.items()},
        "uniform": stacked(uniform, "length", s.lengths),
        "permutation_p": p_values(tests),
    }


def _random_models(s: Setting) -> Sweeps:
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


def _mean_scores(s: Setting, length: int) -> np.ndarray:
    sequences = s.sequences(length, "report")
    return repeated_sequences.above_uniform(
        repeated_sequences.attention_scores(s.model, sequences), repeated_sequences.uniform_scores(sequences)
    ).values.mean(-1)


def _weights(s: Setting, chosen: Selection) -> Sweeps:
    """Copying scores from the weights alone, and their null."""
    folded, tokens = fold(s.model), s.sequences(s.block, "embedding").tokens
    weights, draws, seed = head_weights(folded), s.params.null_draws, s.params.seed
    read = [composition.as_read(folded, layer, tokens) for layer in range(s.model.config.n_layer)]
    effective = [composition.copying_scores(weights).values[layer] for layer, weights in enumerate(read)]
    layer, _ = chosen.induction[0]
    return {
        "copying": composition.copying_scores(weights),
        "copying_effective": Sweep(np.stack(effective), ("layer", "head"), "score"),
        "copying_null": composition.copying_null(read[layer], draws, seed),
    }


def _patching(s: Setting, chosen: Selection) -> Sweeps:
    """Patch each head, and the chosen heads together, over the whole second copy; layers and positions for one query."""
    groups = [_sites(chosen.induction), _sites([chosen.previous]), _sites([*chosen.induction, chosen.previous])]
    names = ("induction heads", "previous-token head", "both")
    copy = s.paired("patching", examples=2 * s.params.patch_examples)
    single = patching.exact_in_parts(s.model, copy, metrics.logit_diff, patching.heads(s.model, copy))
    together = patching.exact_in_parts(s.model, copy, metrics.logit_diff, patching.sets(groups))
    plain = np.stack([single.clean, single.corrupt])
    return {
        "patch_heads": single.metric,
        "patch_sets": replace(together.metric, coords={**together.metric.coords, "set": names}),
        "patch_plain": Sweep(plain, ("run", "example"), "logits", {"run": ("clean", "corrupt")}),
        "patch_informative": Sweep(np.array(float(single.informative)), (), "yes or no"),
        **_by_position(s),
    }


def _by_position(s: Setting) -> Sweeps:
    """Patch every layer and position, for one query in the middle of the second copy."""
    task = s.paired("position", examples=s.params.patch_examples, reads=[s.block // 2])
    residual = patching.exact_in_parts(s.model, task, metrics.logit_diff, patching.residual_stream(s.model, task))
    plain = np.stack([residual.clean, residual.corrupt])
    return {
        "position_change": _mean_effect(residual),
        "position_plain": Sweep(plain, ("run", "example"), "logits", {"run": ("clean", "corrupt")}),
        "position_informative": Sweep(np.array(float(residual.informative)), (), "yes or no"),
        "position_roles": _roles(s, task),
    }


def _mean_effect(patched: patching.PatchingResult) -> Sweep:
    """The change of the mean metric in logits, `[direction, layer, pos]`: defined even where a share is not."""
    values = patched.metric.values
    change = np.stack([(values[0] - patched.corrupt).mean(-1), (patched.clean - values[1]).mean(-1)])
    coords = {dim: labels for dim, labels in patched.metric.coords.items() if dim != "example"}
    return Sweep(change, patched.metric.dims[:-1], "logits", coords)


def _roles(s: Setting, task: Task) -> Sweep:
    """Positions of the first copy's start, the token that the query matches, the token after it, and the query."""
    query = int(task.positions[0, 0])
    values = np.array([task.clean.shape[1] - 2 * s.block, query - s.block, query - s.block + 1, query])
    return Sweep(values, ("role",), "position", {"role": ("first copy", "matched", "followed", "query")})


def _ablation(s: Setting, chosen: Selection) -> Sweeps:
    """Loss and accuracy without the chosen heads and without layer-matched random heads: `[run, set, example]`.

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


def _lens(s: Setting) -> Sweeps:
    """How the prediction of the second copy forms over the layers, and which components write it."""
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


def _patterns(s: Setting, chosen: Selection, subject: Subject) -> Sweeps:
    """The attention of the chosen heads on one sequence, labelled by its tokens."""
    sequences = s.sequences(s.block, "report")
    shown: list[Head] = [*chosen.induction[:2], chosen.previous]
    patterns = repeated_sequences.mean_patterns(s.model, sequences, list(dict.fromkeys(shown)))
    names = subject.tokenizer.names(s.model.config.vocab_size)
    symbols = tuple(names[int(token)] for token in sequences.tokens[0])
    return {"patterns": replace(patterns, coords={**patterns.coords, "query": symbols, "key": symbols})}


def _sites(chosen: tuple[Head, ...] | list[Head]) -> list[Site]:
    return [Site("z", layer, head=head) for layer, head in dict.fromkeys(chosen)]
