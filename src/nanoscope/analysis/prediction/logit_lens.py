"""Lenses: the prediction that can be decoded after each layer, and when it has settled.

A lens maps the residual stream before the first and after every layer to logits. The logit lens applies the model's own
final norm and unembedding; at the last layer it equals the model's output (this identity is tested). With tied embeddings
its first reading is mostly the current token. A tuned lens (`tuned_lens.py`) translates each layer first.

A prediction has *settled* at the first reading from which on a criterion always holds: "top", the lens's top token is the
model's; "near", KL(model || lens) < 0.1 nats; "half", the lens gives its top token a probability above one half. "half" is
uninformative for characters, whose entropy is naturally high.

Source: nostalgebraist 2020; docs/methods/lenses.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.prediction.table_distance import (
    CELLS,
    DIRECTIONS,
    directed,
    places_at_a_time,
    windows_at_a_time,
)
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import activations, residual_streams, run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import NAMES, Passages
from nanoscope.text.windows import at_a_time, batches, in_batches, lead, started

Lens = Callable[[Tensor], Tensor]
"""From residual streams `[layer + 1, *any, d_model]` to logits `[layer + 1, *any, vocab]`."""
MEASURES = ("answer", "wrong", "current", "kl", "agrees", "answer_is_top")
READINGS = ("loss", "kl", "entropy", "right", "next", "current", "previous")
CRITERIA = ("top", "near", "half")
SENTENCE = ("top", "chance", "kl", "next")
NEAR, HALF = 0.1, 0.5
CHUNK = 32


def lens_logits(model: GPT, tokens: Tensor) -> Tensor:
    """Logit lens of the residual stream before the first and after every layer: `[layer + 1, batch, pos, vocab]`."""
    with torch.no_grad():
        return model.unembed(residual_streams(model, tokens))


# ---- on a task -----------------------------------------------------------------------------------------------------


def on_task(model: GPT, task: Task) -> Sweep:
    """The lens's predictions at the task's reads: `[measure, layer, example, read]`.

    answer, wrong, current: probability of the right answer, the wrong one and the token just read; kl: KL(model ||
    lens), nats; agrees: whether its top token is the model's; answer_is_top: whether its top token is the answer.
    """
    size = at_a_time(CHUNK, task.clean.shape[1] * (1 + model.config.n_layer), model.config.vocab_size)
    values = in_batches(task, size, lambda some: _on_chunk(model, some), axis=2)
    return Sweep(values, ("measure", "layer", "example", "read"), "probability; nats", {"measure": MEASURES})


def _on_chunk(model: GPT, task: Task) -> np.ndarray:
    logits = lens_logits(model, task.clean)
    positions = task.positions.to(logits.device)
    read = logits.gather(2, positions[None, ..., None].expand(len(logits), -1, -1, logits.shape[-1]))
    log_probs = metrics.log_probs(read)
    current = task.clean.gather(1, task.positions)
    probabilities = [_prob(log_probs, tokens) for tokens in (task.answer, task.wrong, current)]
    kl = (log_probs[-1].exp() * (log_probs[-1] - log_probs)).sum(-1)
    top = log_probs.argmax(-1)
    agrees, right = (top == top[-1]).float(), (top == task.answer.to(top.device)).float()
    return torch.stack([*probabilities, kl, agrees, right]).double().cpu().numpy()


def _prob(log_probs: Tensor, tokens: Tensor) -> Tensor:
    """Probability of `tokens [example, read]` at every layer."""
    return metrics.chosen(log_probs, tokens.expand(len(log_probs), -1, -1)).exp()


def settled(holds: np.ndarray) -> np.ndarray:
    """First reading from which on `holds [layer + 1, *any]` is always true: `[*any]`; layer + 1 if never."""
    onwards = np.cumprod(np.flip(holds, axis=0), axis=0, dtype=np.int64)
    return len(holds) - onwards.sum(axis=0)


# ---- on text -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """A lens's predictions on text, summed over the positions of each kind in each window; divide by `counts`."""

    measures: Sweep
    """`[measure, layer, kind, window]`: loss of the next token, KL(model || lens), entropy (nats); whether the top token is
    the next one; probability of the next, the current and the previous token."""
    settled: Sweep
    """`[criterion, depth, kind, window]`: how many predictions settle at each reading; the last depth means never."""
    distances: Sweep
    """`[direction, n, layer, kind, window]`: KL between the n-gram table and the lens, nats."""
    counts: Sweep
    """`[kind, window]`: number of positions."""


def over_text(model: GPT, text: Passages, lens: Lens, tables: NGrams) -> Reading:
    """Apply a lens to a text at every layer. Early positions belong to no kind (`passages`, `skip`)."""
    parts = [
        _read(model, text[some], lens, tables) for some in batches(len(text), windows_at_a_time(text, tables.symbols))
    ]
    measures, depths, distances = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    kinds, orders = {"kind": NAMES}, tuple(range(1, distances.shape[1] + 1))
    return Reading(
        Sweep(measures, ("measure", "layer", "kind", "window"), "summed", {"measure": READINGS, **kinds}),
        Sweep(depths, ("criterion", "depth", "kind", "window"), "predictions", {"criterion": CRITERIA, **kinds}),
        Sweep(
            distances,
            ("direction", "n", "layer", "kind", "window"),
            "nats, summed",
            {"direction": DIRECTIONS, "n": orders, **kinds},
        ),
        Sweep(text.counts, ("kind", "window"), "places", kinds),
    )


def _read(model: GPT, text: Passages, lens: Lens, tables: NGrams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    def at(places: slice, log_probs: Tensor) -> tuple[np.ndarray, ...]:
        known = torch.from_numpy(tables.distribution(text.current.numpy(), places)).to(log_probs)
        return _measures(log_probs, text, places), np.stack(_holds(log_probs)), directed(known, log_probs)

    measures, holds, distances = _over_places(model, text, lens, at)
    depth = np.stack([settled(criterion) for criterion in holds])
    settles = depth[:, None] == np.arange(holds.shape[1] + 1)[None, :, None, None]
    return text.sums(measures), text.sums(settles), text.sums(distances)


def _over_places(
    model: GPT, text: Passages, lens: Lens, function: Callable[[slice, Tensor], tuple[np.ndarray, ...]]
) -> list[np.ndarray]:
    """A function of the lens's log-probabilities `[layer + 1, window, position, vocab]`, in at least single precision, of some
    positions at a time where symbols are many; its arrays `[*any, window, position]`, joined."""
    size = text.targets.shape[1]
    streams = residual_streams(model, text.tokens)[:, :, -size:]
    parts = []
    for places in places_at_a_time(text, model.config.vocab_size):
        with torch.no_grad():
            log_probs = metrics.log_probs(lens(streams[:, :, places]).float()).cpu()
        parts.append(function(places, log_probs))
    return [np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)]


def _measures(log_probs: Tensor, text: Passages, places: slice) -> np.ndarray:
    """All of `READINGS` at some positions: `[measure, layer + 1, window, position]`."""
    probs = log_probs.exp()
    previous = torch.cat([text.current[:, :1], text.current[:, :-1]], dim=1)
    chances = [
        metrics.chosen(log_probs, tokens[:, places].expand(log_probs.shape[:-1]))
        for tokens in (text.targets, text.current, previous)
    ]
    kl = (probs[-1] * (log_probs[-1] - log_probs)).sum(-1)
    right = (log_probs.argmax(-1) == text.targets[:, places]).float()
    values = [-chances[0], kl, -(probs * log_probs).sum(-1), right, *(chance.exp() for chance in chances)]
    return torch.stack(values).double().numpy()


def _holds(log_probs: Tensor) -> list[np.ndarray]:
    """Whether each of `CRITERIA` holds at each reading and position."""
    top = log_probs.argmax(-1)
    kl = (log_probs[-1].exp() * (log_probs[-1] - log_probs)).sum(-1)
    return [(top == top[-1]).numpy(), (kl < NEAR).numpy(), (log_probs.amax(-1).exp() > HALF).numpy()]


def on_sentence(model: GPT, tokens: Tensor, lens: Lens, start: int | None = None) -> Sweep:
    """A lens's predictions after each token of one text `[pos]`: `[measure, layer, place]`.

    The measures are its top token, that token's probability, KL(model || lens) in nats, and the probability of the actual
    next token (NaN after the last).
    """
    streams, first = residual_streams(model, started(tokens, start)[None]), lead(start)
    following = torch.cat([tokens[1:], tokens[:1]])
    parts = []
    for places in batches(first + len(tokens), at_a_time(first + len(tokens), 1, model.config.vocab_size, CELLS)):
        with torch.no_grad():
            log_probs = metrics.log_probs(lens(streams[:, :, places]).float()).cpu()[:, 0]
        here = following[max(0, places.start - first) : places.stop - first]
        parts.append(_of_places(log_probs[:, log_probs.shape[1] - len(here) :], here))
    values = torch.cat(parts, dim=-1).double().numpy()
    values[SENTENCE.index("next"), :, -1] = np.nan
    return Sweep(values, ("measure", "layer", "place"), "token; probability; nats", {"measure": SENTENCE})


def _of_places(log_probs: Tensor, following: Tensor) -> Tensor:
    """All of `SENTENCE` at some places: `[measure, layer, place]`."""
    chance, top = log_probs.exp().max(-1)
    kl = (log_probs[-1].exp() * (log_probs[-1] - log_probs)).sum(-1)
    after = metrics.chosen(log_probs, following.expand(len(log_probs), -1)).exp()
    return torch.stack([top.float(), chance, kl, after])


# ---- validation of settling ------------------------------------------------------------------------------------------


def damage_by_settling(model: GPT, text: Passages, lens: Lens) -> Sweep:
    """Effect of replacing a layer's output with another window's on predictions settled, or not, before that layer.

    `[layer, state, quantity, window]`: KL(model || changed model) summed over the positions that were "near" the output
    before the layer ("settled") or not ("open"), and the number of these positions. If a settled prediction is final,
    later layers affect it less.
    """
    values = in_batches(
        text, windows_at_a_time(text, model.config.vocab_size), lambda some: _damage(model, some, lens), axis=-1
    )
    coords = {"state": ("settled", "open"), "quantity": ("damage", "places")}
    return Sweep(values, ("layer", "state", "quantity", "window"), "nats, summed", coords)


def _damage(model: GPT, text: Passages, lens: Lens) -> np.ndarray:
    """The same on a few windows; each receives the layer's writes from another of them."""
    final: list[Tensor] = []

    def near(places: slice, log_probs: Tensor) -> tuple[np.ndarray, ...]:
        final.append(log_probs[-1].clone())
        return (_holds(log_probs)[CRITERIA.index("near")],)

    depth = settled(_over_places(model, text, lens, near)[0])
    before = torch.cat(final, dim=1)
    writes = ("attn_out",) if model.config.attention_only else ("attn_out", "mlp_out")
    cache = activations(model, text.tokens, keep=writes)
    rows = []
    for layer in range(model.config.n_layer):
        edits = [Edit(Site(name, layer), cache[name, layer].roll(1, dims=0)) for name in writes]
        after = metrics.log_probs(text.read(run(model, text.tokens, edits).logits).float()).cpu()
        kl = (before.exp() * (before - after)).sum(-1).double().numpy()
        states = (depth <= layer, depth > layer)
        rows.append([[text.sums(kl * where)[0], text.sums(where)[0]] for where in states])
    return np.array(rows)
