"""Experiment 02, the numbers: every head's class scores with their nulls, its weights, and the loss without it."""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.attention import character_tables, classes, composition
from nanoscope.analysis.attention.profile import Profile, profile
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject, times_in_turn
from nanoscope.experiments.heads import control
from nanoscope.experiments.heads.ablation import ablation
from nanoscope.experiments.heads.label import ALL_CLASSES, FAMILIES, labels
from nanoscope.experiments.heads.setting import Params, Setting, induction, setting_of, with_induction
from nanoscope.experiments.measuring import Stage, Stages, Sweeps
from nanoscope.interventions.run import activations, run
from nanoscope.model.folded import fold, head_weights
from nanoscope.model.gpt import GPT, untrained
from nanoscope.text.tokenizer import START
from nanoscope.text.windows import at_a_time, first_speech, lead, started

SHOWN = 48
"""Tokens of the passage on which every head's attention is drawn."""
TIMED = 16
"""Windows of the batch whose time is taken, of a model of few symbols."""
RANKS = 5
COMMON = 20
"""How often a token must have been read to appear in a head's tables."""
UNTRAINED_WINDOWS = 32
REFERENCE_PERMUTATIONS = 200
"""The most permutations for untrained and planted heads: enough for p = 0.02 after both corrections."""


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of experiment 02."""
    s = setting_of(subject, params)
    return {
        "attention": Stage(9, lambda before: _attention(s)),
        "nulls": Stage(7, lambda before: _nulls(s, before["scores_select"])),
        "untrained models": Stage(10, lambda before: _untrained(s)),
        "properties": Stage(2, lambda before: _properties(s)),
        "weights": Stage(8, lambda before: _weights(s)),
        "ablation": Stage(55, lambda before: ablation(s, before["label"].values)),
        "planted heads": Stage(6, lambda before: _planted(s)),
        "cost": Stage(3, lambda before: _cost(s)),
        "example": Stage(0, lambda before: _example(s)),
    }


def _attention(s: Setting) -> Sweeps:
    """Scores on both splits and on random text."""
    report = s.splits["report"].attention(s.model)
    copied = induction(s, s.model, "report")
    windows = classes.scores(report)
    return {
        "scores_select": s.scores,
        "scores_report": with_induction(report, copied),
        "windows_report": Sweep(windows.values.astype(np.float32), windows.dims, windows.unit, windows.coords),
        "induction_report": Sweep(copied.values.astype(np.float32), copied.dims, copied.unit, copied.coords),
        "scores_random": with_induction(s.random_text.attention(s.model), copied),
    }


def _nulls(s: Setting, scores: Sweep) -> Sweeps:
    """Every head's p-values and its class."""
    p = s.p
    return {"p": p, "label": Sweep(labels(scores, p), ("layer", "head"), "class")}


def _untrained(s: Setting) -> Sweeps:
    """Scores, p-values and positional shares of untrained models of this shape: a reference band."""
    few, found = s.splits["select"], []
    for seed in range(s.params.random_models):
        model = untrained(s.model, "untrained heads", seed, s.params.seed)
        attention = few.attention(model)
        scores = with_induction(attention, induction(s, model, "select"))
        p = classes.p_values(attention, min(s.params.permutations, REFERENCE_PERMUTATIONS), seed).values
        p = np.minimum(FAMILIES * np.concatenate([p, np.ones_like(p[:1])]), 1)
        found.append((scores.values, p, _untrained_profile(s, model).positional.values))
    scores, p, positional = (np.stack(part) for part in zip(*found, strict=True))
    axes, coords = ("seed", "cls", "layer", "head"), {"cls": ALL_CLASSES}
    return {
        "untrained_scores": Sweep(scores, axes, "share above chance", coords),
        "untrained_p": Sweep(p, axes, "p", coords),
        "untrained_positional": Sweep(positional, ("seed", "layer", "head"), "share of variance"),
    }


def _untrained_profile(s: Setting, model: GPT) -> Profile:
    return profile(model, s.splits["report"].tokens[:UNTRAINED_WINDOWS])


def _properties(s: Setting) -> Sweeps:
    found = profile(s.model, s.splits["report"].tokens)
    names = ("by_offset", "breadth", "positional", "first_value", "by_character")
    return {name: getattr(found, name) for name in names}


def _weights(s: Setting) -> Sweeps:
    """Composition, copying, and the strongest entries of every head's OV and QK tables."""
    folded, tokens = fold(s.model), s.splits["report"].tokens
    weights = head_weights(folded)
    found = character_tables.tables(folded, tokens)
    common = np.flatnonzero(found.count.values >= min(COMMON, found.count.values.max()))
    copying = [
        composition.copying_scores(composition.as_read(folded, layer, tokens)).values[layer]
        for layer in range(s.model.config.n_layer)
    ]
    return {
        "composition": composition.composition(weights),
        "copying": Sweep(np.stack(copying), ("layer", "head"), "score"),
        "ov_strongest": _strongest(found.ov, common, found.symbols),
        "qk_strongest": _strongest(found.qk, common, found.symbols),
        "symbols": Sweep(np.arange(float(len(s.symbol_names))), ("symbol",), "token", {"symbol": s.symbol_names}),
    }


def _strongest(table: Sweep, common: np.ndarray, symbols: np.ndarray) -> Sweep:
    """The largest entries of each head's table among common symbols: `[layer, head, rank, part]`, part being row, column
    (as token ids) and value."""
    layers, count = table.values.shape[:2]
    values = np.full((layers, count, RANKS, 3), np.nan)
    for layer, head in np.ndindex(layers, count):
        found = character_tables.strongest(table.values[layer, head], common, common, RANKS)
        for rank, (row, column, value) in enumerate(found):
            values[layer, head, rank] = symbols[row], symbols[column], value
    return Sweep(values, ("layer", "head", "rank", "part"), table.unit, {"part": ("row", "column", "value")})


def _planted(s: Setting) -> Sweeps:
    targets = classes.Targets(s.splits["select"].targets.keys[:, : s.params.planted_windows])
    permutations = min(s.params.permutations, REFERENCE_PERMUTATIONS)
    return control.planted(targets, s.params.planted_heads, permutations, s.params.seed)


def _cost(s: Setting) -> Sweeps:
    """Seconds of one batch, plain and with every pattern, and of judging the patterns: `[what, repeat]`."""
    few, shape = s.splits["report"], s.model.config
    tokens = few.tokens[: at_a_time(TIMED, few.tokens.shape[1], shape.vocab_size)]
    targets = classes.Targets(few.targets.keys[:, : len(tokens)])
    patterns = activations(s.model, tokens, keep=["pattern"]).layers("pattern")
    runs = {
        "plain forward": lambda: run(s.model, tokens),
        "forward with patterns": lambda: run(s.model, tokens, keep=["pattern"]),
        "judging": lambda: [classes.judged(one, targets) for one in patterns],
    }
    return {
        "cost": times_in_turn(runs, s.params.repeats),
        "cost_tokens": Sweep(np.array(float(tokens.numel())), (), "tokens"),
    }


def _example(s: Setting) -> Sweeps:
    """Every head's attention on one passage that begins a speech: `[layer, head, query, key]`."""
    tokens = s.val.tokens[s.val.passage(first_speech(s.val.text), min(SHOWN, s.size))]
    read = started(tokens, s.subject.start)[None]
    patterns = activations(s.model, read, keep=["pattern"]).layers("pattern")[:, 0].cpu().numpy()
    symbols = (*[START] * lead(s.subject.start), *(s.symbol_names[int(token)] for token in tokens))
    coords = {"query": symbols, "key": symbols}
    return {"example": Sweep(patterns.astype(np.float32), ("layer", "head", "query", "key"), "attention", coords)}
