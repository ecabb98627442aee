"""Copying in ordinary text: what an earlier occurrence of the same characters is worth to the model.

A *copy place* is a position of a window at which copying is right: the last m tokens and the token that comes next stood
in this order earlier in the window. There the next token is overwritten at every such earlier occurrence, and everything
else is kept. The worth of the copy is the loss of the next token in the overwritten window minus that in the window as it
is, in nats: a model that copies loses the answer's source, a model that does not cannot care.

Places at which copying would be *wrong* say nothing about what a copy is worth, and choosing a window's last match selects
just those: where the copied token is right, the next position is a match too. Hence all places count here, drawn at random
(`copy_places`: windows take turns; `drawn_places`: each place is as likely). Only tokens at least `NEAREST` positions before
the reading one are overwritten, or a model that predicts from the last few characters would seem to copy.

`costs` has two controls at the same places: as many *other* early tokens are overwritten, which disturbs a context as much
and takes no copy away; and the loss of an n-gram table, which sees no further back than what was left as it is.

The second instrument is attention: the share that a head sends, at copy places, to the tokens that are worth copying, above
what it sends to the same positions in other windows. 1 is all attention, 0 is chance.

Source: Olsson et al. 2022 for prefix matching; the places and the overwriting are nanoscope's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.analysis.prediction import position_loss
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import activations, run
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks import metrics
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages
from nanoscope.text.windows import at_a_time, batches

NEAREST = 16
"""The fewest positions between a token that may be overwritten and the one that reads."""
LONGEST = 8
"""Longer matches count as matches of this length."""
RUNS = ("whole", "copy overwritten", "others overwritten", "table")
CHUNK = 16


@dataclass(frozen=True)
class CopyPlaces:
    """Places where copying is right, one after another: place i is at `read[i]` of window `window[i]`."""

    window: Int[np.ndarray, "place"]
    read: Int[np.ndarray, "place"]
    """The position whose next token is to be predicted."""
    sources: Bool[np.ndarray, "place pos"] = field(repr=False)
    """The earlier positions that hold this next token after the same m tokens."""

    def __len__(self) -> int:
        return len(self.window)

    def __getitem__(self, some: slice) -> CopyPlaces:
        """Some of the places."""
        return CopyPlaces(self.window[some], self.read[some], self.sources[some])


def sources(
    text: Int[np.ndarray, "window token"], match: int, nearest: int = NEAREST
) -> Bool[np.ndarray, "window pos key"]:
    """For every position, the keys worth copying: the `match` tokens up to the position and the token after it all equal
    those that end at the key, which lies at least `nearest` positions back."""
    size = text.shape[1]
    same = text[:, :, None] == text[:, None, :]
    alike = same.copy()
    for back in range(1, match + 1):
        alike[:, back:, back:] &= same[:, :-back, :-back]
    alike[:, :, :match] = False
    return alike[:, 1:, : size - 1] & np.tri(size - 1, k=-nearest, dtype=bool)


def copy_places(text: Passages, match: int, most: int, *labels: object, nearest: int = NEAREST) -> CopyPlaces:
    """Copy places with at least `match` equal tokens, drawn at random: first one of each window, then a second one, ...,
    until there are `most`."""
    rng = np.random.default_rng(seed_for("copy places", match, *labels))
    found = sources(text.text.numpy(), match, nearest)
    window, read = np.nonzero(found.any(-1))
    order = rng.permutation(len(window))
    window, read = window[order], read[order]
    turn = np.zeros(len(window), dtype=np.int64)
    for one in np.unique(window):
        turn[window == one] = np.arange((window == one).sum())
    chosen = np.argsort(turn, kind="stable")[:most]
    window, read = window[chosen], read[chosen]
    return CopyPlaces(window, read, found[window, read])


def longest_copies(
    text: Int[np.ndarray, "window token"], longest: int = LONGEST, nearest: int = NEAREST
) -> Int[np.ndarray, "window pos"]:
    """At every position, the length of the longest match that is right about the next token, at most `longest`; 0: none."""
    lengths = np.zeros((len(text), text.shape[1] - 1), dtype=np.int64)
    for some in batches(len(text), CHUNK):
        for match in range(1, longest + 1):
            lengths[some] += sources(text[some], match, nearest).any(-1)  # what matches m tokens also matches m - 1
    return lengths


def drawn_places(
    text: Passages, lengths: Int[np.ndarray, "window pos"], match: int, upto: int, most: int, *labels: object
) -> CopyPlaces:
    """At most `most` places whose longest right match (`longest_copies`) has `match` to `upto` tokens, each as likely as any.

    Their sources are all that match at least `match` tokens.
    """
    rng = np.random.default_rng(seed_for("drawn places", match, *labels))
    window, read = np.nonzero((lengths >= match) & (lengths <= upto))
    chosen = np.sort(rng.choice(len(window), min(most, len(window)), replace=False))
    window, read, rows = window[chosen], read[chosen], text.text.numpy()
    found = np.zeros((len(chosen), rows.shape[1] - 1), dtype=bool)
    for some in batches(len(chosen), CHUNK):
        found[some] = sources(rows[window[some]], match)[np.arange(len(window[some])), read[some]]
    return CopyPlaces(window, read, found)


def costs(model: GPT, text: Passages, places: CopyPlaces, tables: NGrams, *labels: object) -> Sweep:
    """The loss of the next token at each place in four ways, `[run, place]`, nats.

    Of the model: as the window is, with the copies overwritten, with as many other tokens overwritten that lie as far back.
    Of the largest n-gram table: as the window is.
    """
    rng = np.random.default_rng(seed_for("costs", *labels))
    whole = text.text.numpy()
    rows, answers = whole[places.window, :-1], whole[places.window, places.read + 1]
    drawn = rng.choice(whole.ravel(), rows.shape)
    avoided = np.where(places.sources, answers[:, None], rows)
    other = np.where(drawn == avoided, _instead(whole, avoided), drawn)
    elsewhere = _as_many_others(rng, places)
    losses = [
        _losses(model, text, places, np.where(where, other, rows), answers)
        for where in (np.zeros_like(elsewhere), places.sources, elsewhere)
    ]
    known = [
        position_loss.of_tables(tables, text[w : w + 1])[-1, 0, r]
        for w, r in zip(places.window, places.read, strict=True)
    ]
    return Sweep(np.array([*losses, known]).reshape(len(RUNS), -1), ("run", "place"), "nats", {"run": RUNS})


def _as_many_others(rng: np.random.Generator, places: CopyPlaces) -> Bool[np.ndarray, "place pos"]:
    """As many positions as each place has sources, drawn from those at least `NEAREST` back that are none."""
    positions = np.arange(places.sources.shape[1])
    free = (positions <= places.read[:, None] - NEAREST) & ~places.sources
    order = np.argsort(np.where(free, rng.random(free.shape), np.inf), axis=1)
    rank = np.argsort(order, axis=1)
    return free & (rank < places.sources.sum(1, keepdims=True))


def worth(model: GPT, text: Passages, places: CopyPlaces, *labels: object) -> Float[np.ndarray, "place"]:
    """The loss of the next token with its earlier occurrences overwritten minus the loss without, at each place, in nats.

    An overwritten token becomes another one, drawn from the text.
    """
    rng = np.random.default_rng(seed_for("overwritten", *labels))
    whole = text.text.numpy()
    rows, answers = whole[places.window, :-1], whole[places.window, places.read + 1]
    drawn = rng.choice(whole.ravel(), rows.shape)
    other = np.where(drawn == answers[:, None], _instead(whole, answers[:, None]), drawn)
    overwritten = np.where(places.sources, other, rows)
    return _losses(model, text, places, overwritten, answers) - _losses(model, text, places, rows, answers)


def _instead(text: np.ndarray, answers: Int[np.ndarray, "place #pos"]) -> Int[np.ndarray, "place #pos"]:
    """For each token, the text's most frequent one that is another."""
    symbols, counts = np.unique(text, return_counts=True)
    ranked = symbols[np.argsort(-counts, kind="stable")]
    return np.where(answers == ranked[0], ranked[min(1, len(ranked) - 1)], ranked[0])


def _losses(model: GPT, text: Passages, places: CopyPlaces, rows: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The loss of the answer after each place of the given rows. Those that are read early are cut early."""
    order, losses = np.argsort(places.read, kind="stable"), np.empty(len(rows))
    for some in batches(len(rows), at_a_time(CHUNK, rows.shape[1], model.config.vocab_size)):
        here = order[some]
        read, start = torch.from_numpy(places.read[here]), text.tokens[places.window[here], : text.lead]
        cut = torch.from_numpy(rows[here, : int(read.max()) + 1])
        logits = run(model, torch.cat([start, cut], dim=1)).logits[torch.arange(len(here)), text.lead + read]
        chosen = metrics.chosen(metrics.log_probs(logits.float()), torch.from_numpy(answers[here]))
        losses[here] = -chosen.double().cpu().numpy()
    return losses


def prefix_attention(model: GPT, text: Passages, places: CopyPlaces) -> Sweep:
    """Attention at copy places to the tokens worth copying, above chance: `[layer, head, place]`.

    Chance is the attention that the head sends from and to the same positions on average over all windows of the text.
    """
    mean, own = _patterns(model, text, places)
    at = torch.from_numpy(places.sources).float()
    share = torch.einsum("lhpk,pk->lhp", own, at)
    chance = torch.einsum("lhpk,pk->lhp", mean[:, :, torch.from_numpy(places.read)], at)
    return Sweep(((share - chance) / (1 - chance)).double().numpy(), ("layer", "head", "place"), "share above chance")


def _patterns(model: GPT, text: Passages, places: CopyPlaces) -> tuple[Tensor, Tensor]:
    """Every head's mean pattern `[layer, head, query, key]`, and its attention at each place `[layer, head, place, key]`."""
    config, size = model.config, text.targets.shape[1]
    mean = torch.zeros(config.n_layer, config.n_head, size, size)
    own = torch.zeros(config.n_layer, config.n_head, len(places), size)
    for some in text.chunks():
        cache = activations(model, text.tokens[some], keep=["pattern"])
        patterns = cache.layers("pattern").float().cpu()[..., text.lead :, text.lead :]
        mean += patterns.sum(1) / len(text)
        here = np.flatnonzero((places.window >= some.start) & (places.window < some.stop))
        inside, read = (torch.from_numpy(of[here]) for of in (places.window - some.start, places.read))
        own[:, :, here] = patterns[:, inside, :, read].permute(1, 2, 0, 3)
    return mean, own
