"""Experiment 03, the numbers: what the lenses predict at every depth, how far that is from n-gram tables, and training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.prediction import direct_attribution, logit_lens, table_distance, tuned_lens
from nanoscope.analysis.prediction.logit_lens import Lens
from nanoscope.checkpoints.checkpoint import load
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject, require_least, times_in_turn
from nanoscope.experiments.lenses.stored import LENSES
from nanoscope.experiments.measuring import Stage, Stages, Sweeps, arrays_of, private
from nanoscope.interventions.run import residual_streams, run
from nanoscope.model.gpt import GPT
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import NAMES, Passages, passages, windows_to_fit
from nanoscope.text.windows import at_a_time, first_speech, room

ORDERS = 7


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are for the published findings; `QUICK` is for the first five minutes."""

    windows: int = 400
    """Windows of validation text."""
    tuned_tokens: int = 98_304
    """Tokens of training text on which the tuned lens is fitted, or fewer of a large model: their residual streams, at most a
    gigabyte, stay in memory."""
    held_out_tokens: int = 16_384
    """Tokens of other training text; the fit ends where the KL on them stops falling."""
    tuned_steps: int = 600
    """The most steps of the optimiser that fits the tuned lens."""
    tuned_batch: int = 4096
    """Tokens per step of that fit."""
    damage_windows: int = 96
    """Windows on which layers' outputs are resampled, to measure how much settled predictions change."""
    checkpoints: int = 60
    """At most this many checkpoints of the training, evenly spaced."""
    checkpoint_windows: int = 48
    """Windows of validation text on which each checkpoint is measured."""
    example_length: int = 60
    """Characters of the text that the figure shows as an example."""
    repeats: int = 5
    """Timings of a forward pass with and without the lens."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, windows=2, damage_windows=2, checkpoints=0)


QUICK = Params(
    windows=150,
    tuned_tokens=65_536,
    held_out_tokens=8192,
    damage_windows=48,
    checkpoints=16,
    checkpoint_windows=24,
    repeats=3,
)


@dataclass(frozen=True)
class _Setting:
    """The model, the text, the n-gram tables and the tuned lens."""

    subject: Subject
    params: Params
    train: Tensor
    text: Passages

    @property
    def model(self) -> GPT:
        return self.subject.checkpoint.model

    @cached_property
    def tables(self) -> NGrams:
        return NGrams.fit(self.train.numpy(), self.model.config.vocab_size, ORDERS)

    @cached_property
    def halves(self) -> tuple[NGrams, ...]:
        """The tables of each half of the text that `tables` are fitted on."""
        symbols = self.model.config.vocab_size
        return tuple(NGrams.fit(half, symbols, ORDERS) for half in table_distance.in_halves(self.train.numpy()))

    @property
    def few(self) -> Passages:
        """The text of what is measured on fewer windows."""
        return self.text[: self.params.damage_windows]

    def affordable(self, tokens: int) -> int:
        """As many tokens as the tuned lens can be tried on with this vocabulary."""
        return tuned_lens.affordable(tokens, self.model.config.vocab_size)

    @property
    def windows(self) -> tuple[Tensor, Tensor]:
        """Windows of training text for the fit, and others between them that end it."""
        context = self.model.config.block_size
        tokens = (
            min(self.params.tuned_tokens, tuned_lens.room_for(self.model)),
            self.affordable(self.params.held_out_tokens),
        )
        fitted, held = (max(2, n // context) for n in tokens)
        return windows_to_fit(self.train, context, fitted, held, self.subject.start)


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of experiment 03."""
    s = _setting(subject, params)
    return {
        "n-gram tables": Stage(2, lambda before: _tables(s)),
        "tuned lens": Stage(60, lambda before: _fitted(s)),
        "reading": Stage(15, lambda before: _readings(s, _tuned(s, before))),
        "settling": Stage(8, lambda before: _settling(s, _tuned(s, before))),
        "writers": Stage(3, lambda before: _writers(s)),
        "training": Stage(10, lambda before: _training(s)),
        "cost": Stage(2, lambda before: _cost(s)),
        "example": Stage(0, lambda before: _example(s, _tuned(s, before))),
    }


def _setting(subject: Subject, params: Params) -> _Setting:
    checkpoint, corpus = subject.checkpoint, subject.corpus
    context = checkpoint.model.config.block_size
    skip = min(ORDERS, context // 4)
    val = subject.read(corpus.val)
    text = passages(val, context, params.windows, skip)
    if len(text) < 2:
        raise too_short(len(val), 2 * (context + 1), f"two windows of {context}")
    if len(val.tokens.unique()) < 2:
        raise NanoscopeError("the validation text has only one symbol, so there is nothing to predict")
    return _Setting(subject, params, checkpoint.encode(corpus.train), text)


def _tables(s: _Setting) -> Sweeps:
    """Each table's loss on the text, and what the comparison with tables says of readers whose answer is known."""
    n, symbols = tuple(range(1, ORDERS + 1)), s.model.config.vocab_size
    losses = table_distance.losses(s.tables, s.text)
    return {
        "table_loss": Sweep(losses, ("n", "kind", "window"), "nats, summed", {"n": n, "kind": NAMES}),
        "known_readers": table_distance.known_answers(s.few, s.train.numpy(), symbols, ORDERS),
    }


def _fitted(s: _Setting) -> Sweeps:
    """The tuned lens, for later stages, the course of its fit, and its KL on the text that it was fitted on."""
    train, held_out = (tuned_lens.collect(s.model, tokens) for tokens in s.windows)
    settings = tuned_lens.Settings(steps=s.params.tuned_steps, batch=s.affordable(s.params.tuned_batch))
    fit = tuned_lens.fit(s.model, train, held_out, settings, s.params.seed)
    seen = tuned_lens.kl(s.model, fit.translation, train[:, : held_out.shape[1]]).mean(-1)
    return {
        "tuned_course": fit.course,
        "tuned_stopped": Sweep(np.array(float(fit.stopped)), (), "1: the held-out KL had stopped falling"),
        "tuned_train": Sweep(seen.double().cpu().numpy(), ("layer",), "nats"),
        **private("tuned", vars(fit.translation)),
    }


def _tuned(s: _Setting, before: Sweeps) -> Lens:
    parts = {name: torch.from_numpy(values).to(s.model.device) for name, values in arrays_of("tuned", before).items()}
    return tuned_lens.Translation(**parts).lens(s.model)


def _readings(s: _Setting, tuned: Lens) -> Sweeps:
    """Both lenses on the text: sums over all positions of each window, and means by kind of character."""
    lenses = (s.model.unembed, tuned)
    read = [logit_lens.over_text(s.model, s.text, one, s.tables) for one in lenses]
    measures, distances, settled, depth = (
        stacked(parts, "lens", LENSES)
        for parts in zip(*((one.measures, one.distances, one.settled, _depth(one)) for one in read), strict=True)
    )
    counts = read[0].counts
    return {
        "places": counts,
        "reading": _over_all(measures),
        "reading_by_kind": _by_kind(measures, counts),
        "distance_by_kind": _by_kind(distances, counts),
        "settled": _by_kind(settled, counts),
        "depth": depth,
        "table_distance": _table_distance(s, lenses),
    }


def _table_distance(s: _Setting, lenses: tuple[Lens, ...]) -> Sweep:
    """Every reading's distance from the tables of the whole text and of its halves: `[lens, tables, measure, n, layer]`."""
    values = np.stack([[_from(s, lens, tables) for tables in (s.tables, *s.halves)] for lens in lenses])
    orders = tuple(range(1, ORDERS + 1))
    coords = {"lens": LENSES, "tables": table_distance.TABLES, "measure": table_distance.MEASURES, "n": orders}
    return Sweep(values, ("lens", "tables", "measure", "n", "layer"), "nats", coords)


def _from(s: _Setting, lens: Lens, tables: NGrams) -> np.ndarray:
    """Distances of a lens from some tables: `[measure, n, layer]`."""
    read, places = logit_lens.over_text(s.model, s.few, lens, tables), s.few.counts[0].sum()
    distances = read.distances.sel(kind="all").values.sum(-1) / places
    loss = read.measures.sel(measure="loss", kind="all").values.sum(-1) / places
    return table_distance.with_losses(distances, table_distance.losses(tables, s.few)[:, 0].sum(-1) / places, loss)


def _over_all(sums: Sweep) -> Sweep:
    """The sums over all positions of each window."""
    return sums.sel(kind="all")


def _by_kind(sums: Sweep, counts: Sweep) -> Sweep:
    """The mean over the positions of each kind."""
    means = sums.values.sum(-1) / counts.values.sum(-1).clip(1)
    return Sweep(means, sums.dims[:-1], sums.unit.removesuffix(", summed"), sums.coords)


def _depth(read: logit_lens.Reading) -> Sweep:
    """The reading at which predictions settle, summed over positions: `[criterion, kind, window]`. A prediction that never
    settles counts as one past the last."""
    settled = read.settled
    sums = np.einsum("cdkw,d->ckw", settled.values, np.arange(settled.values.shape[1]))
    coords = {dim: labels for dim, labels in settled.coords.items() if dim != "depth"}
    return Sweep(sums, ("criterion", "kind", "window"), "readings, summed", coords)


def _settling(s: _Setting, tuned: Lens) -> Sweeps:
    """How much resampling a layer's output changes predictions, split by whether they have settled in each lens."""
    damage = [logit_lens.damage_by_settling(s.model, s.few, lens) for lens in (s.model.unembed, tuned)]
    return {"damage": stacked(damage, "lens", LENSES)}


def _writers(s: _Setting) -> Sweeps:
    """Each component's direct contribution to the next character's logit."""
    few = s.few
    direct = direct_attribution.on_text(s.model, few)
    sums = direct.contributions
    return {
        "writers": _over_all(sums),
        "writers_by_kind": _by_kind(sums, Sweep(few.counts, ("kind", "window"), "places")),
        "writers_places": Sweep(few.counts[0], ("window",), "places"),
        "writers_unexplained": Sweep(np.array(direct.unexplained), (), "share of the largest logit"),
    }


def _training(s: _Setting) -> Sweeps:
    """The distance between the model's output and each table, at every checkpoint of its training."""
    every = sorted(s.subject.history.items())
    picked = np.unique(np.linspace(0, len(every) - 1, min(len(every), s.params.checkpoints)).round().astype(int))
    chosen = [every[i] for i in picked]
    few = s.text[: s.params.checkpoint_windows]
    found = [table_distance.of_model(load(path).model, few, s.tables) for _, path in chosen]
    steps = tuple(step for step, _ in chosen)
    sums = stacked(found, "step", steps) if found else _no_training(s, few)
    return {
        "training": _over_all(sums),
        "training_places": Sweep(few.counts[0], ("window",), "places"),
    }


def _no_training(s: _Setting, text: Passages) -> Sweep:
    """The sweep of a training without checkpoints: no steps."""
    orders = tuple(range(1, ORDERS + 1))
    coords = {"direction": table_distance.DIRECTIONS, "n": orders, "kind": NAMES}
    nothing = np.empty((0, len(table_distance.DIRECTIONS), len(orders), len(NAMES), len(text)))
    return Sweep(nothing, ("step", "direction", "n", "kind", "window"), "nats, summed", coords)


def _cost(s: _Setting) -> Sweeps:
    """Seconds for one batch: a plain forward pass, one with the lens at every layer, and the lens alone, measured in turn."""
    shape, positions = s.model.config, s.text.tokens.shape[1]
    tokens = s.text.tokens[: at_a_time(table_distance.WINDOWS, positions * (1 + shape.n_layer), shape.vocab_size)]
    streams = residual_streams(s.model, tokens)
    runs = {
        "plain forward": lambda: run(s.model, tokens),
        "forward with the lens": lambda: logit_lens.lens_logits(s.model, tokens),
        "lens alone": lambda: s.model.unembed(streams),
    }
    return {
        "cost": times_in_turn(runs, s.params.repeats),
        "cost_tokens": Sweep(np.array(float(tokens.numel())), (), "tokens"),
    }


def _example(s: _Setting, tuned: Lens) -> Sweeps:
    """Both lenses on one passage that begins a speech, and the vocabulary's symbols."""
    val = s.subject.read(s.subject.corpus.val)
    size = min(s.params.example_length, room(s.model.config.block_size, s.subject.start))
    tokens = val.tokens[val.passage(first_speech(val.text), size)]
    lenses = (s.model.unembed, tuned)
    read = [logit_lens.on_sentence(s.model, tokens, one, s.subject.start) for one in lenses]
    symbols = s.subject.tokenizer.names(s.model.config.vocab_size)
    coords = {"lens": LENSES, **read[0].coords, "place": tuple(symbols[int(token)] for token in tokens)}
    return {
        "example": Sweep(np.stack([one.values for one in read]), ("lens", *read[0].dims), read[0].unit, coords),
        "symbols": Sweep(np.arange(float(len(symbols))), ("symbol",), "token", {"symbol": symbols}),
    }
