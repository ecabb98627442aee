"""A model's loss on ordinary text, window by window, and quantities that show how it predicts.

loss         mean next-token loss, nats
in-context   mean loss late in the window minus mean loss early in it (Olsson et al. 2022's in-context-learning score,
             fitted to short contexts: docs/methods/behaviour.md); negative where a longer context helps
repeated     mean loss where the last five or more characters occurred before in the window
new          mean loss where at most the last character did
n-gram k     KL(table || model), the Witten-Bell table of order k, nats (Hoogland et al. 2024)

Two of these mislead alone, so `held_out` has their controls, on as many windows as a budget allows:

longer context   loss late in the window with the context cut to as many tokens as early places have, minus that with the whole
                 window: the same places, so that they need not be as hard as the early ones
tables           n-gram tables of orders 0 (uniform), 1, 2, ... in repeated and in new passages: repeated passages end in other
                 places than new ones, for a predictor without memory too
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nanoscope.analysis.prediction import position_loss
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.text.matches import matches
from nanoscope.text.ngrams import PROBABILITIES, NGrams
from nanoscope.text.passages import Passages
from nanoscope.text.windows import at_a_time, batches

CHUNK = 32
LONG = 5
WAYS = ("loss", "in-context", "repeated", "new")
CONTROLLED = ("in-context", "longer context", "repeated", "new")
EARLIEST = 16
"""Earlier an n-gram's context is incomplete, and its growth would look like in-context learning."""


@dataclass(frozen=True)
class TextMaterial:
    """Windows with the positions of each kind, and the tables that predict them; the same for all models."""

    passages: Passages
    early: slice
    late: slice
    repeated: Bool[np.ndarray, "window position"] = field(repr=False)
    new: Bool[np.ndarray, "window position"] = field(repr=False)
    tables: NGrams = field(repr=False)

    @staticmethod
    def of(passages: Passages, tables: NGrams) -> TextMaterial:
        """Positions are those of the targets. The early eighth begins at 3/16 of the window, the late eighth ends it."""
        size = passages.targets.shape[1]
        first = max(EARLIEST, 3 * size // 16)
        match = matches(passages.current.numpy(), LONG).length
        inner = np.arange(size) >= EARLIEST
        early, late = slice(first, first + max(1, size // 8)), slice(size - max(1, size // 8), size)
        return TextMaterial(passages, early, late, (match >= LONG) & inner, (match <= 1) & inner, tables)


def over_text(model: GPT, text: TextMaterial) -> Sweep:
    """`[quantity, window]`, nats. The mean over windows equals the mean over all positions of a kind."""
    chunk = at_a_time(CHUNK, text.passages.tokens.shape[1], model.config.vocab_size)
    parts = [_on_chunk(model, text, some) for some in batches(len(text.passages), chunk)]
    losses, distance = (np.concatenate(values) for values in zip(*parts, strict=True))
    rows = [
        losses[:, EARLIEST:].mean(1),
        losses[:, text.late].mean(1) - losses[:, text.early].mean(1),
        _over_positions(losses, text.repeated),
        _over_positions(losses, text.new),
    ]
    names = (*WAYS, *(f"{n}-gram" for n in range(1, len(text.tables.orders) + 1)))
    return Sweep(np.stack([*rows, *distance.T]), ("quantity", "window"), "nats", {"quantity": names})


def held_out(model: GPT, text: TextMaterial) -> Sweep:
    """`[quantity, window]`, nats: what needs no table's whole distribution, so that it can be had on many windows."""
    losses = position_loss.of_model(model, text.passages)
    late = losses[:, text.late].mean(1)
    rows = [
        late - losses[:, text.early].mean(1),
        _late_with_cut_context(model, text) - late,
        _over_positions(losses, text.repeated),
        _over_positions(losses, text.new),
    ]
    return Sweep(np.stack(rows), ("quantity", "window"), "nats", {"quantity": CONTROLLED})


def of_tables(text: TextMaterial) -> Sweep:
    """The losses of n-gram tables in repeated and in new passages, `[order, kind, window]`, nats; order 0 is uniform."""
    known = position_loss.of_tables(text.tables, text.passages)
    losses = [np.full_like(known[0], np.log(text.tables.symbols)), *known]
    values = np.stack([[_over_positions(one, text.repeated), _over_positions(one, text.new)] for one in losses])
    coords = {"order": tuple(range(len(losses))), "kind": ("repeated", "new")}
    return Sweep(values, ("order", "kind", "window"), "nats", coords)


def _late_with_cut_context(model: GPT, text: TextMaterial) -> Float[np.ndarray, "window"]:
    """The loss at the late places, read as the early ones are: from a text that began as few tokens before."""
    passages = text.passages
    size = passages.targets.shape[1]
    begin = max(0, text.late.start - text.early.start)
    tokens = torch.cat([passages.tokens[:, : passages.lead], passages.text[:, begin:size]], dim=1)
    shorter = replace(passages, tokens=tokens, text=passages.text[:, begin:], members=passages.members[..., begin:])
    return position_loss.of_model(model, shorter)[:, text.late.start - begin :].mean(1)


def _on_chunk(model: GPT, text: TextMaterial, part: slice) -> tuple[np.ndarray, np.ndarray]:
    """The loss `[window, position]`, and the mean distances `[window, order]` over positions with a complete context."""
    some = text.passages[part]
    log_probs = metrics.log_probs(some.read(run(model, some.tokens).logits).float()).cpu()
    windows, size, symbols = log_probs.shape
    places = batches(size, at_a_time(size, windows, symbols, PROBABILITIES))
    distances = [_distance(text.tables, some, log_probs[:, where], where) for where in places]
    distance = torch.cat(distances, dim=-1)[..., EARLIEST:]
    return -metrics.chosen(log_probs, some.targets).double().numpy(), distance.mean(-1).numpy().T


def _distance(tables: NGrams, text: Passages, log_probs: Tensor, where: slice) -> Float[Tensor, "order window place"]:
    """KL(table || model) at some positions, nats: of all at once a large vocabulary would fill the memory."""
    known = torch.from_numpy(tables.distribution(text.current.numpy(), where)).float()
    cross = torch.einsum("nwpv,wpv->nwp", known, log_probs)
    return (torch.special.xlogy(known, known).sum(-1) - cross).double()


def _over_positions(losses: Float[np.ndarray, "window position"], where: np.ndarray) -> Float[np.ndarray, "window"]:
    """Values per window whose mean is the mean loss over some positions (delta method for a ratio); NaN without any."""
    if not where.any():
        return np.full(len(losses), np.nan)
    mean = losses[where].mean()
    return mean + ((losses - mean) * where).sum(1) * len(losses) / where.sum()
