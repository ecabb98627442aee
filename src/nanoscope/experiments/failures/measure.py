"""Experiment 04d, the numbers: heads chosen on one text, error regressions fitted on a second and judged on a third."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.attention import circuit_state
from nanoscope.analysis.attention.circuit_state import Circuit
from nanoscope.analysis.causal import head_ablation
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.experiments.failures.control import planted_failures
from nanoscope.experiments.failures.power import power
from nanoscope.experiments.failures.predict import SeenText, coefficients, compare, require_errors, shuffled_gain
from nanoscope.experiments.measuring import Stage, Stages, Sweeps, arrays_of, private
from nanoscope.model.gpt import GPT
from nanoscope.model.names import head_name
from nanoscope.seeds import seed_for
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.ngrams import PROBABILITIES, NGrams
from nanoscope.text.passages import Passages, passages
from nanoscope.text.windows import at_a_time, batches

ORDERS = 5
CHUNK = 16
FEWEST_WINDOWS = 4
SHORTEST = 24
"""Shorter contexts have too little to copy."""
BINS = 8
GROUPS = ("the copy is the first choice", "the copy is another character", "nothing to copy")
PARTS = ("select", "fit", "test")
"""Parts of the text: heads are chosen on the first, regressions fitted on the second and judged on the third."""
PRESENT = 0.3
"""Share of attention above chance from which a head counts as one of its role, as in findings 1 and 2."""
ASKED = 0.005
"""The gain in area that is asked for."""
COPYABLE = 3
"""Shorter matches are weak evidence for the next character: they count as nothing to copy."""


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are for the published findings; `QUICK` is for the first five minutes."""

    select_windows: int = 48
    """Windows of validation text on which the heads are chosen. The three sets of windows are disjoint."""
    fit_windows: int = 220
    """Windows on which the regressions are fitted."""
    test_windows: int = 320
    """Windows on which the regressions are judged."""
    random_sets: int = 4
    """Draws of random heads of the same layers, as a control."""
    shuffles: int = 20
    """Shuffles of the errors across positions behind the null of what the circuit adds."""
    control_examples: int = 64
    """Repeated random blocks in each half of the positive control."""
    power_draws: int = 12
    """Draws of errors with a planted effect, for each of its sizes."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, select_windows=FEWEST_WINDOWS, fit_windows=FEWEST_WINDOWS, test_windows=FEWEST_WINDOWS)


QUICK = Params(select_windows=40, fit_windows=240, test_windows=320, random_sets=3, control_examples=32, power_draws=6)


@dataclass(frozen=True)
class _Setting:
    """The model and the text in three parts."""

    subject: Subject
    params: Params
    train: Tensor
    windows: Passages
    parts: tuple[Int[np.ndarray, "_"], ...]
    """Indices of the windows for choosing heads, for fitting and for judging."""

    @property
    def model(self) -> GPT:
        return self.subject.checkpoint.model

    @cached_property
    def tables(self) -> NGrams:
        return NGrams.fit(self.train.numpy(), self.model.config.vocab_size, ORDERS)

    def text(self, part: str, circuits: list[Circuit]) -> SeenText:
        """The observations on one of `PARTS` of the text. The position of a start symbol is left out."""
        rows, shift = self.parts[PARTS.index(part)], self.windows.lead
        tokens, current = self.windows.tokens[rows], self.windows.current[rows].numpy()
        following = self.windows.text[rows][
            :, 1 - shift :
        ]  # a start symbol is followed by the window's first character
        seen = circuit_state.observe(self.model, tokens, following, circuits, slice(circuit_state.SKIP + shift, None))
        return SeenText(seen, table_features(self.tables, current, seen.top))


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of experiment 04d."""
    s = _setting(subject, params)
    return {
        "heads": Stage(5, lambda before: _heads(s)),
        "fitted text": Stage(32, lambda before: _observed(s, "fit", before)),
        "judged text": Stage(46, lambda before: _observed(s, "test", before)),
        "states": Stage(0, lambda before: _states(*_texts(before))),
        "regressions": Stage(6, lambda before: _regressions(*_texts(before))),
        "shuffled": Stage(3, lambda before: _shuffled(*_texts(before), params)),
        "planted": Stage(2, lambda before: _planted(s)),
        "power": Stage(6, lambda before: _power(before, params)),
    }


def _setting(subject: Subject, params: Params) -> _Setting:
    checkpoint, corpus = subject.checkpoint, subject.corpus
    context, sizes = (
        checkpoint.model.config.block_size,
        (params.select_windows, params.fit_windows, params.test_windows),
    )
    if context < SHORTEST:
        raise NanoscopeError(
            f"a context of {context} is too short to copy in; predicting errors needs at least {SHORTEST}"
        )
    val = subject.read(corpus.val)
    text = passages(val, context, sum(sizes), circuit_state.SKIP)
    parts = three_parts(len(text), sizes, params.seed)
    if min(map(len, parts)) < FEWEST_WINDOWS:
        least = (FEWEST_WINDOWS * sum(sizes) // min(sizes) + 2) * (context + 1)
        raise too_short(len(val), least, f"three times {FEWEST_WINDOWS} windows of {context}")
    return _Setting(subject, params, checkpoint.encode(corpus.train), text, parts)


def three_parts(count: int, sizes: tuple[int, int, int], seed: int) -> tuple[Int[np.ndarray, "window"], ...]:
    """Windows assigned at random to three disjoint sets of these sizes, or in this proportion if there are fewer."""
    ends = np.cumsum(sizes)
    cuts = np.floor(ends * (min(count, ends[-1]) / ends[-1])).astype(int)
    order = np.random.default_rng(seed_for("three parts", seed)).permutation(count)
    return tuple(np.sort(part) for part in np.split(order[: cuts[-1]], cuts[:-1]))


def random_circuits(model: GPT, chosen: Circuit, count: int, seed: int) -> list[Circuit]:
    """Random heads of the same layers in the same roles; none if a layer has too few other heads."""
    drawn = head_ablation.layer_matched(model, chosen.heads, count, "failures", seed)
    found = []
    for heads in (heads for heads in drawn if len(heads) == len(chosen.heads)):
        previous = next(head for head in heads if head[0] == chosen.previous[0])
        found.append(Circuit(previous, next(head for head in heads if head != previous)))
    return found


def table_features(
    tables: NGrams, current: Int[np.ndarray, "window pos"], top: Int[np.ndarray, "window position"]
) -> Float[np.ndarray, "feature window position"]:
    """Log-probabilities that the table of the largest n gives to the model's first choice and to its own first choice, at the
    last positions of each window."""
    size, read = current.shape[1], top.shape[1]
    found = np.empty((2, *top.shape))
    for some in batches(len(current), at_a_time(CHUNK, 1, tables.symbols, PROBABILITIES)):
        rows = len(current[some])
        for part in batches(read, at_a_time(read, rows, tables.symbols, PROBABILITIES)):
            places = slice(size - read + part.start, size - read + part.stop)
            chances = np.log(tables.distribution(current[some], places)[-1])
            own = np.take_along_axis(chances, top[some, part, None], axis=-1)[..., 0]
            found[:, some, part] = np.stack([own, chances.max(-1)])
    return found


def _heads(s: _Setting) -> Sweeps:
    """Both scores of every head, and the layer and index of the chosen and drawn heads `[circuit, role, part]`."""
    scores = circuit_state.scores(s.model, s.windows.tokens[s.parts[PARTS.index("select")]])
    values = np.stack([scores.previous, scores.copying])
    drawn = random_circuits(s.model, scores.best, s.params.random_sets, s.params.seed)
    chosen = np.array([circuit.heads for circuit in (scores.best, *drawn)], dtype=float)
    coords = {"role": circuit_state.ROLES, "part": ("layer", "head")}
    return {
        "scores": Sweep(values, ("role", "layer", "head"), "attention above chance", {"role": circuit_state.ROLES}),
        "heads": Sweep(chosen, ("circuit", "role", "part"), "index", coords),
    }


def _observed(s: _Setting, part: str, before: Sweeps) -> Sweeps:
    """The observations on one part of the text, for later stages."""
    heads = [tuple((int(layer), int(head)) for layer, head in circuit) for circuit in before["heads"].values]
    text = s.text(part, [Circuit(*roles) for roles in heads])
    return private(part, {**vars(text.seen), "table": text.table})


def _texts(before: Sweeps) -> tuple[SeenText, SeenText]:
    """The observations that regressions are fitted on, and those that they are judged on."""
    return _text("fit", before), _text("test", before)


def _text(part: str, before: Sweeps) -> SeenText:
    arrays = arrays_of(part, before)
    table = arrays.pop("table")
    return SeenText(circuit_state.Observed(**arrays), table)


def _regressions(fit: SeenText, test: SeenText) -> Sweeps:
    return {**compare(fit, test), "coefficients": coefficients(fit)}


def _shuffled(fit: SeenText, test: SeenText, params: Params) -> Sweeps:
    return {"shuffled": shuffled_gain(fit, test, params.shuffles, params.seed)}


def _states(fit: SeenText, test: SeenText) -> Sweeps:
    """Errors on the judged text by confidence and by what copying predicts: `[measure, group, bin, window]`, summed."""
    require_errors(fit, test)
    seen, edges = test.seen, np.quantile(fit.seen.chance, np.arange(1, BINS) / BINS)
    group, bins = groups(seen), np.searchsorted(edges, seen.chance)
    inside = (group == np.arange(len(GROUPS))[:, None, None])[:, None] & (bins == np.arange(BINS)[:, None, None])
    sums = [(inside * what).sum(-1) for what in (1.0, seen.wrong, seen.chance)]
    coords = {"measure": ("places", "errors", "sure"), "group": GROUPS}
    return {"states": Sweep(np.stack(sums), ("measure", "group", "bin", "window"), "summed", coords)}


def groups(seen: circuit_state.Observed) -> Int[np.ndarray, "window position"]:
    """The index in `GROUPS` of each position."""
    copyable = seen.match[circuit_state.LENGTHS.index(COPYABLE)] > 0
    return np.where(copyable, np.where(seen.match[-1] > 0, 0, 1), 2)


def _power(before: Sweeps, params: Params) -> Sweeps:
    """What is said of planted effects of no size, of the size that is asked for, and of twice that; empty without the heads."""
    draws = 0 if missing(before) else params.power_draws
    return {"power": power(*_texts(before), (0.0, ASKED, 2 * ASKED), draws, params.seed)}


def missing(sweeps: Mapping[str, Sweep]) -> tuple[str, ...]:
    """The roles that the model's best head does not fill."""
    chosen = sweeps["heads"].values[0].astype(int)
    scores = [float(of_role[tuple(head)]) for of_role, head in zip(sweeps["scores"].values, chosen, strict=True)]
    return tuple(role for role, score in zip(circuit_state.ROLES, scores, strict=True) if score < PRESENT)


def _planted(s: _Setting) -> Sweeps:
    """The same measurements on the planted failures."""
    circuit, fit, test = planted_failures(s.params.control_examples, s.params.seed)
    found = compare(fit, test)
    names = tuple(head_name(*head) for head in circuit.heads)
    return {
        "planted_auroc": found["auroc"],
        "planted_resampled": found["auroc_resampled"],
        "planted_shuffled": shuffled_gain(fit, test, s.params.shuffles, "planted", s.params.seed),
        "planted_heads": Sweep(np.array(circuit.heads, dtype=float), ("role", "part"), "index", {"role": names}),
        "planted_examples": Sweep(np.array(float(len(test.seen.wrong))), (), "examples"),
    }
