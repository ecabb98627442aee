"""Experiment 02, the numbers: every head's class scores with their nulls, what its weights say, what is lost without it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.attention import character_tables, classes, composition, repeated_sequences
from nanoscope.analysis.attention.classes import mean_of_present
from nanoscope.analysis.attention.profile import Profile, profile
from nanoscope.analysis.causal import head_ablation
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject, Sweeps, require_least, timed, untrained
from nanoscope.experiments.heads import control
from nanoscope.experiments.heads.label import ALL_CLASSES, FAMILIES, labels
from nanoscope.interventions.run import run
from nanoscope.model.folded import fold, head_weights, require_foldable
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.statistics.intervals import max_t
from nanoscope.tasks import synthetic
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import START, TokenizedText, spelled
from nanoscope.text.windows import Windows, first_speech, lead, room, spread_starts, started, windows_at

SHOWN = 48
"""Tokens of the passage on which every head's attention is drawn."""
RANKS = 5
COMMON = 20
"""Times that a token must have been read to be named in a head's tables."""
UNTRAINED_WINDOWS = 32
REFERENCE_PERMUTATIONS = 200
"""At most so many for untrained and planted heads: enough for p = 0.02 after both corrections."""


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are for the published findings; `QUICK` is for the first five minutes."""

    windows: int = 64
    """Windows of validation text on each of the two splits (selection, report)."""
    sequences: int = 32
    """Repeated sequences per block length and split, for induction."""
    permutations: int = 1000
    random_models: int = 5
    random_sets: int = 20
    planted_heads: int = 8
    """Heads of every class and strength that the categoriser is tried on."""
    planted_windows: int = 32
    repeats: int = 5
    """Timings of a forward pass with and without patterns."""
    seed: int = 0

    def __post_init__(self) -> None:
        require_least(self, windows=4, planted_windows=4, sequences=2)


QUICK = Params(
    windows=48, sequences=24, permutations=500, random_models=2, random_sets=8, planted_heads=2, planted_windows=24, repeats=3
)  # fmt: skip


@dataclass(frozen=True)
class Text:
    """Windows of a text with the keys that each class names in them."""

    windows: Windows
    targets: classes.Targets

    @staticmethod
    def of(text: TokenizedText, windows: Windows) -> Text:
        return Text(windows, classes.token_targets(text, windows))

    @property
    def tokens(self) -> Tensor:
        return self.windows.tokens

    def attention(self, model: GPT) -> classes.Attention:
        return classes.attention(model, self.tokens, self.targets)


@dataclass(frozen=True)
class _Setting:
    """The model and the texts that it is judged on."""

    subject: Subject
    params: Params
    train: Tensor
    val: TokenizedText
    symbols: Tensor

    @property
    def model(self) -> GPT:
        return self.subject.checkpoint.model

    @property
    def size(self) -> int:
        """Tokens of a window."""
        return room(self.model.config.block_size, self.subject.start)

    @property
    def symbol_names(self) -> tuple[str, ...]:
        """A name for every token that the model knows."""
        return self.subject.tokenizer.names(self.model.config.vocab_size)

    @cached_property
    def splits(self) -> dict[str, Text]:
        """Even windows to select on, odd ones to report."""
        starts = spread_starts(len(self.val), self.size, 2 * self.params.windows)
        return {"select": self.text(starts[::2]), "report": self.text(starts[1::2])}

    def text(self, starts: Tensor) -> Text:
        return Text.of(self.val, windows_at(self.val.tokens, starts, self.size, self.val.start))

    @cached_property
    def random_text(self) -> Text:
        """Tokens drawn evenly, without order, and the keys that the classes would name in them."""
        generator = torch.Generator().manual_seed(seed_for("random text", self.params.seed))
        drawn = torch.randint(len(self.symbols), (self.params.windows, self.size), generator=generator)
        text = spelled(self.symbols[drawn].flatten(), self.subject.tokenizer)
        starts = torch.arange(self.params.windows) * self.size
        return Text.of(text, windows_at(text.tokens, starts, self.size, text.start))

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        return synthetic.lengths_that_fit(self.size, len(self.symbols))[:3]

    def sequences(self, length: int, split: str) -> synthetic.RepeatedSequences:
        context = self.model.config.block_size
        labels = ("taxonomy", split, self.params.seed)
        return synthetic.repeated_sequences(
            self.symbols, length, context, self.params.sequences, self.subject.start, *labels
        )

    @cached_property
    def scores(self) -> Sweep:
        """Every class's score on the selection split, induction included: `[cls, layer, head]`."""
        return with_induction(self.splits["select"].attention(self.model), induction(self, self.model, "select"))

    @cached_property
    def p(self) -> Sweep:
        """Family-wise p-values of the same, times two for text and repeated sequences."""
        on_text = classes.p_values(
            self.splits["select"].attention(self.model), self.params.permutations, self.params.seed
        )
        values = np.concatenate([on_text.values, self.induction_p[None]])
        return Sweep(np.minimum(FAMILIES * values, 1), on_text.dims, "p", {"cls": ALL_CLASSES})

    @cached_property
    def induction_p(self) -> np.ndarray:
        """The largest p-value over block lengths (tokens permuted, patterns held), max-T over heads: `[layer, head]`."""
        tests = [
            repeated_sequences.permutation_test(
                self.model, self.sequences(n, "select"), self.params.permutations, self.params.seed
            )
            for n in self.lengths
        ]
        each = [max_t(observed.ravel(), null.reshape(len(null), -1)) for observed, null in tests]
        return np.max(each, axis=0).reshape(tests[0][0].shape)

    @cached_property
    def labels(self) -> np.ndarray:
        return labels(self.scores, self.p)


def measure(subject: Subject, params: Params) -> Sweeps:
    """All numbers of experiment 02, by name."""
    s = _setting(subject, params)
    return timed(
        {
            "attention": lambda: _attention(s),
            "nulls": lambda: {"p": s.p, "label": Sweep(s.labels, ("layer", "head"), "class")},
            "untrained models": lambda: _untrained(s),
            "properties": lambda: _properties(s),
            "weights": lambda: _weights(s),
            "ablation": lambda: _ablation(s),
            "planted heads": lambda: _planted(s),
            "cost": lambda: _cost(s),
            "example": lambda: _example(s),
        }
    )


def _setting(subject: Subject, params: Params) -> _Setting:
    checkpoint, corpus = subject.checkpoint, subject.corpus
    require_foldable(checkpoint.model)
    train, val = checkpoint.encode(corpus.train), subject.read(corpus.val)
    context = checkpoint.model.config.block_size
    if context < 2 * classes.FARTHEST + 2:
        raise NanoscopeError(f"a context of {context} is too short to tell classes of heads apart")
    if len(val) < 8 * context:
        raise NanoscopeError(f"the validation text has {len(val)} tokens, too few for windows of {context}")
    return _Setting(subject, params, train, val, synthetic.alphabet(train, checkpoint.model.config.vocab_size))


def induction(s: _Setting, model: GPT, split: str) -> Sweep:
    """Induction scores above uniform on repeated sequences: `[length, layer, head, example]`."""
    parts = []
    for length in s.lengths:
        sequences = s.sequences(length, split)
        raw, base = repeated_sequences.attention_scores(model, sequences), repeated_sequences.uniform_scores(sequences)
        parts.append(repeated_sequences.above_uniform(raw, base).sel(score="induction"))
    return stacked(parts, "length", s.lengths)


def with_induction(found: classes.Attention, copied: Sweep) -> Sweep:
    """Mean scores of all classes; induction counts where it is lowest over block lengths: `[cls, layer, head]`."""
    lowest = copied.mean("example").values.min(axis=0)
    values = np.concatenate([mean_of_present(classes.scores(found).values), lowest[None]])
    return Sweep(values, ("cls", "layer", "head"), "share above chance", {"cls": ALL_CLASSES})


def _attention(s: _Setting) -> Sweeps:
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


def _untrained(s: _Setting) -> Sweeps:
    """Scores, labels and positional shares of untrained models of this shape: a reference band."""
    few, found = s.splits["select"], []
    for seed in range(s.params.random_models):
        model = untrained(s.model, "untrained heads", seed, s.params.seed)
        attention = few.attention(model)
        scores = with_induction(attention, induction(s, model, "select"))
        p = classes.p_values(attention, min(s.params.permutations, REFERENCE_PERMUTATIONS), seed).values
        p = np.minimum(FAMILIES * np.concatenate([p, np.ones_like(p[:1])]), 1)
        found.append((scores.values, labels(scores, Sweep(p, scores.dims, "p")), _seen(s, model).positional.values))
    scores, named, positional = (np.stack(part) for part in zip(*found, strict=True))
    return {
        "untrained_scores": Sweep(scores, ("seed", "cls", "layer", "head"), "share above chance", {"cls": ALL_CLASSES}),
        "untrained_label": Sweep(named, ("seed", "layer", "head"), "class"),
        "untrained_positional": Sweep(positional, ("seed", "layer", "head"), "share of variance"),
    }


def _seen(s: _Setting, model: GPT) -> Profile:
    return profile(model, s.splits["report"].tokens[:UNTRAINED_WINDOWS])


def _properties(s: _Setting) -> Sweeps:
    found = profile(s.model, s.splits["report"].tokens)
    names = ("by_offset", "breadth", "positional", "first_value", "by_character")
    return {name: getattr(found, name) for name in names}


def _weights(s: _Setting) -> Sweeps:
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
        "width": Sweep(np.array(float(s.model.config.n_embd)), (), "d_model"),
        "copying": Sweep(np.stack(copying), ("layer", "head"), "score"),
        "ov": Sweep(found.ov.values.astype(np.float32), found.ov.dims, found.ov.unit),
        "ov_strongest": _strongest(found.ov, common, common),
        "qk_strongest": _strongest(found.qk, common, common),
        "symbols": Sweep(np.arange(float(len(s.symbol_names))), ("symbol",), "token", {"symbol": s.symbol_names}),
    }


def _strongest(table: Sweep, rows: np.ndarray, columns: np.ndarray) -> Sweep:
    """The largest entries of each head's table: `[layer, head, rank, part]`, part being row, column, value."""
    layers, count = table.values.shape[:2]
    values = np.full((layers, count, RANKS, 3), np.nan)
    for layer, head in np.ndindex(layers, count):
        found = character_tables.strongest(table.values[layer, head], rows, columns, RANKS)
        values[layer, head, : len(found)] = found
    return Sweep(values, ("layer", "head", "rank", "part"), table.unit, {"part": ("row", "column", "value")})


def _ablation(s: _Setting) -> Sweeps:
    """Loss on the report split without the heads of each class, and without as many others of the same layers."""
    text = _passages(s)
    present = [label for label in range(len(ALL_CLASSES)) if (s.labels == label).any()]
    groups = [[(int(layer), int(head)) for layer, head in np.argwhere(s.labels == label)] for label in present]
    randoms = [
        head_ablation.layer_matched(s.model, group, s.params.random_sets, ALL_CLASSES[label], s.params.seed)
        for label, group in zip(present, groups, strict=True)
    ]
    sets = [(), *groups, *(one for draws in randoms for one in draws)]
    reference = s.splits["select"].tokens
    losses = head_ablation.on_text(s.model, text, sets, reference).values
    ends = np.cumsum([len(draws) for draws in randoms])
    others = [
        losses[1 + len(groups) + end - len(draws) : 1 + len(groups) + end]
        for draws, end in zip(randoms, ends, strict=True)
    ]
    matched = [part.mean(0) if len(part) else np.full(len(text), np.nan) for part in others]
    names = tuple(ALL_CLASSES[label] for label in present)
    together = np.stack([losses[1 : 1 + len(groups)], np.array(matched).reshape(len(groups), len(text))], axis=1)
    return {
        "ablation_intact": Sweep(losses[0], ("window",), "nats"),
        "ablation": Sweep(
            together, ("cls", "set", "window"), "nats", {"cls": names, "set": ("heads of the class", "others")}
        ),
        "ablation_sets": Sweep(
            np.array([len(draws) for draws in randoms], dtype=float), ("cls",), "sets", {"cls": names}
        ),
    }


def _passages(s: _Setting) -> Passages:
    """The report split as passages, for losses."""
    context = s.model.config.block_size
    return passages(s.val, context, 2 * s.params.windows)[1::2]


def _planted(s: _Setting) -> Sweeps:
    targets = classes.Targets(s.splits["select"].targets.keys[:, : s.params.planted_windows])
    permutations = min(s.params.permutations, REFERENCE_PERMUTATIONS)
    return {"planted": control.accuracy(targets, s.params.planted_heads, permutations, s.params.seed)}


def _cost(s: _Setting) -> Sweeps:
    """Seconds of one batch, plain, with every pattern, and of judging the patterns, in turn: `[what, repeat]`."""
    few = s.splits["report"]
    tokens, targets = few.tokens[:16], classes.Targets(few.targets.keys[:, :16])
    patterns = run(s.model, tokens, keep=["pattern"]).cache.layers("pattern")
    runs = (
        lambda: run(s.model, tokens),
        lambda: run(s.model, tokens, keep=["pattern"]),
        lambda: [classes.judged(one, targets) for one in patterns],
    )
    rows = []
    for _ in range(1 + s.params.repeats):  # the first is a warm-up
        marks = [time.perf_counter()]
        for once in runs:
            once()
            marks.append(time.perf_counter())
        rows.append(np.diff(marks))
    what = ("plain forward", "forward with patterns", "judging")
    return {
        "cost": Sweep(np.array(rows[1:]).T, ("what", "repeat"), "s", {"what": what}),
        "cost_tokens": Sweep(np.array(float(tokens.numel())), (), "tokens"),
    }


def _example(s: _Setting) -> Sweeps:
    """Every head's attention on one passage that begins a speech: `[layer, head, query, key]`."""
    text = s.subject.corpus.val
    begins = first_speech(text)
    size = min(SHOWN, s.size)
    tokens = s.subject.checkpoint.encode(text[begins : begins + size])[:size]
    read = started(tokens, s.subject.start)[None]
    patterns = run(s.model, read, keep=["pattern"]).cache.layers("pattern")[:, 0].cpu().numpy()
    places = (*[START] * lead(s.subject.start), *(s.symbol_names[int(token)] for token in tokens))
    coords = {"query": places, "key": places}
    return {"example": Sweep(patterns.astype(np.float32), ("layer", "head", "query", "key"), "attention", coords)}
