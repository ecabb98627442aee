"""Features, the numbers: the dictionaries, what they explain, which concepts they hold, whether they recur, one graph."""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.features.absorption import absorption
from nanoscope.analysis.features.active import Active, active_over
from nanoscope.analysis.neurons import selectivity
from nanoscope.analysis.neurons.activations import by_layer
from nanoscope.dictionaries import controls
from nanoscope.dictionaries.coder import Coder
from nanoscope.dictionaries.measure import Row, measured, measured_alone, spread
from nanoscope.dictionaries.metrics import Reconstructs
from nanoscope.dictionaries.source import Source
from nanoscope.dictionaries.store import Dictionary
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.dictionary_fits import restored
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.features.concepts import Rows, detectors, of_latents, of_units, told
from nanoscope.experiments.features.known import known_answers
from nanoscope.experiments.features.prediction import graph_of_prediction
from nanoscope.experiments.features.recurrence import recurrence
from nanoscope.experiments.features.setting import (
    OWN,
    TWIN,
    Params,
    Setting,
    fits,
    fits_of_twin,
    own,
    setting_of,
    trained,
)
from nanoscope.experiments.features.transcoders import transcoders
from nanoscope.experiments.measuring import LongStage, Stage, Stages, Sweeps
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES
from nanoscope.model.gpt import GPT
from nanoscope.text.windows import Windows, room

MEASURES = ("FVU", "L0", "cosine", "alive", "loss", "replaced", "zero", "mean", "KL")
EXPLAINING = (OWN, "principal components", "coordinates", TWIN)
TELLING = (OWN, TWIN, "neurons")


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of the experiment. An interrupted training goes on where its state was last saved."""
    s = setting_of(subject, params)
    return {
        "dictionaries": LongStage(35, lambda before, *where: trained(s, s.model, fits(s), *where)),
        "dictionaries of the twin": LongStage(30, lambda before, *where: trained(s, s.twin, fits_of_twin(s), *where)),
        "quality": Stage(17, lambda before: _quality(s, before)),
        "concepts": Stage(3, lambda before: _concepts(s, before)),
        "transcoders": Stage(12, lambda before: transcoders(s, before)),
        "recurrence": Stage(1, lambda before: recurrence(s, before)),
        "graph": Stage(1, lambda before: graph_of_prediction(s, before)),
        "known answers": LongStage(1, lambda before, folder, told: known_answers(folder)),
    }


# ---- what is explained -----------------------------------------------------------------------------------------------


def _quality(s: Setting, before: Sweeps) -> Sweeps:
    """All measures of the dictionary, its controls and the twin's; and the squared errors on held-out text by window."""
    checkpoint, corpus, tokens = s.subject.checkpoint, s.subject.corpus, s.params.measured
    mine, other = (restored(before, name, s.params.k) for name in (own(0), TWIN))
    rows = [
        (f"{row.coder} of {row.part}", row)
        for row in measured(Dictionary(mine, s.source, {}), checkpoint, corpus, tokens)
    ]
    of_twin = measured_alone(Dictionary(other, s.source, {"twin": s.params.seed}), checkpoint, corpus, tokens)
    rows += [(f"{TWIN} of {row.part}", row) for row in of_twin]
    values = np.array([_measures(row) for _, row in rows])
    named = {"row": tuple(name for name, _ in rows), "measure": MEASURES}
    return {"quality": Sweep(values, ("row", "measure"), "share; nats", named), **_by_window(s, mine, other)}


def _measures(row: Row) -> list[float]:
    """One row of the table, in the order of `MEASURES`."""
    of, loss = row.fidelity, row.losses
    return [of.fvu, of.l0, of.cosine, of.alive, loss.model, loss.replaced, loss.zero, loss.mean, loss.kl]


def _by_window(s: Setting, mine: Coder, other: Coder) -> Sweeps:
    """Squared errors, and squared distances from the mean, of every window of held-out text."""
    size, start = room(s.model.config.block_size, s.subject.start), s.subject.start
    train, held_out = (
        spread(s.subject.checkpoint.encode(text), size, s.params.measured, start)[:, :-1]
        for text in (s.subject.corpus.train, s.subject.corpus.val)
    )
    seen = torch.cat([s.source.read(s.model, some).y.flatten(0, 1) for some in train.split(8)])
    k = s.params.k
    coders = (mine, controls.principal(seen, k), controls.coordinates(seen, k))
    found = [
        *(_errors(s.source, s.model, coder, held_out) for coder in coders),
        _errors(s.source, s.twin, other, held_out),
    ]
    names = {"coder": EXPLAINING, "part": ("error", "variance")}
    return {"explained": Sweep(np.stack(found), ("coder", "part", "window"), "squared", names)}


def _errors(source: Source, model: GPT, coder: Reconstructs, windows: Tensor) -> Float[np.ndarray, "part window"]:
    """By window: the squared error, and the squared distance from the mean of all windows."""
    errors, squares, sums = [], [], []
    for some in windows.split(8):
        x, y = source.read(model, some)
        errors.append((y - coder.rebuilt(x, coder.encode(x))).double().square().sum((1, 2)))
        squares.append(y.double().square().sum((1, 2)))
        sums.append(y.double().sum(1))
    total, each = torch.cat(sums), windows.shape[1]
    mean = total.mean(0) / each
    variance = torch.cat(squares) - 2 * total @ mean + each * mean @ mean
    return torch.stack([torch.cat(errors), variance]).numpy()


# ---- concepts --------------------------------------------------------------------------------------------------------


def _concepts(s: Setting, before: Sweeps) -> Sweeps:
    """For every concept the best unit among the dictionary's features, the twin's, and the layer's neurons."""
    select, report = s.texts.select, s.texts.report
    labels, names = report.labels, select.labels.names
    sources = TELLING[: 2 if s.model.config.attention_only else 3]
    values, p, chosen = [], [], []
    for name in sources:
        found = detectors(*_units(s, before, name, select.windows), select.labels, select.windows.size, s.params.shifts)
        rows = _chosen(s, before, name, found.chosen)
        values.append(told(rows, labels, report.windows.size))
        p.append(found.p)
        chosen.append(found.chosen)
    context = np.array([family == CONTEXT for family in labels.families])
    told_of = tuple(np.array(names)[context].tolist())
    return {
        "families": Sweep(np.array([FAMILIES.index(f) for f in labels.families]), ("concept",), "family", {"concept": names}),
        "aurocs": Sweep(np.stack(values).mean(-1), ("source", "concept"), "AUROC", {"source": sources, "concept": names}),
        "told": Sweep(
            np.stack(values)[:, context].astype(np.float32), ("source", "concept", "window"), "AUROC",
            {"source": sources, "concept": told_of},
        ),
        "p": Sweep(np.stack(p), ("source", "concept"), "p", {"source": sources, "concept": names}),
        "chosen": Sweep(np.stack(chosen), ("source", "concept"), "unit", {"source": sources, "concept": names}),
        **_absorbed(s, before, chosen[0]),
    }  # fmt: skip


def _active(s: Setting, before: Sweeps, name: str, windows: Windows) -> Active:
    return active_over(s.of(name), s.source, restored(before, own(0) if name == OWN else name, s.params.k), windows)


def _neurons(s: Setting, windows: Windows) -> Float[Tensor, "neuron char"]:
    """The layer's neurons' inputs where they are above 0, and else 0: as features are, so that both are told apart alike."""
    return next(islice(by_layer(s.model, windows, "pre"), s.source.layer, None)).neurons.clamp(min=0)


def _units(s: Setting, before: Sweeps, name: str, windows: Windows) -> tuple[Rows, int]:
    """The units of one source on some windows, and their number."""
    if name == "neurons":
        found = _neurons(s, windows)
        return of_units(found), len(found)
    active = _active(s, before, name, windows)
    return of_latents(active), active.latents


def _chosen(s: Setting, before: Sweeps, name: str, chosen: np.ndarray) -> Float[np.ndarray, "concept char"]:
    """The values of the chosen units on the judging text."""
    windows = s.texts.report.windows
    if name == "neurons":
        return _neurons(s, windows)[chosen].numpy()
    return _active(s, before, name, windows).dense(chosen).numpy()


def _absorbed(s: Setting, before: Sweeps, chosen: np.ndarray) -> Sweeps:
    """How much of each concept its feature misses, and how much of that another feature carries."""
    split = s.texts.report
    labels, windows, coder = split.labels, split.windows, restored(before, own(0), s.params.k)
    y = torch.cat([windows.read(s.source.read(s.model, windows.tokens[some]).y) for some in windows.chunks()])
    probes = selectivity.probe(y.flatten(0, 1), labels.values)
    along = (coder.W_dec @ (probes / probes.norm(dim=1, keepdim=True).clamp(min=1e-12)).T).numpy()
    active = active_over(s.model, s.source, coder, windows)
    found = [absorption(active, int(unit), along[:, at], labels.values[at]) for at, unit in enumerate(chosen)]
    values = np.array([(one.missed, one.absorbed) for one in found])
    coords = {"concept": labels.names, "measure": ("missed", "absorbed")}
    return {"absorption": Sweep(values, ("concept", "measure"), "share", coords)}
