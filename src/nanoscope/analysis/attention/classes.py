"""What each head attends to on text: its share of attention to the keys of each class, above chance.

A class is a set of keys for every query. Position classes (`PLACES`) depend on position alone: the token k back, the
current token, the first one. Token classes (`TOKENS`) depend on the key's token: an earlier newline, space, punctuation or
colon, the last space, the start of the current word, the speaker's name, an earlier same character. Their keys always
precede the query: attention to the query itself is the class "current token".

A score is the mean attention to such keys over the queries that have one, minus a chance head's, divided by one minus
that: 1 is all attention, 0 is chance. For position classes, chance is uniform attention. For token classes it is uniform
attention or the head's own attention applied to the other windows' texts, whichever is larger: this removes all that
distance and position explain.

There are two permutation nulls; both can reach any p. Position classes: the same statistics at offsets (or keys) redrawn
for every class and window, since permuting tokens changes nothing there. Token classes: every window's attention with the
text of another. `cross[n, m]`, window n's attention scored by window m's text, holds them all: a permutation selects
entries.

Source: Olsson et al. 2022 and Wang et al. 2022 for the classes; Westfall & Young 1993; docs/methods/heads.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import activations
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.text.concepts import concepts
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.windows import Windows

FARTHEST = 8
PLACES = ("previous token", *(f"{back} back" for back in range(2, FARTHEST + 1)), "current token", "first token")
TOKENS = (
    "same character",
    "newline",
    "space",
    "punctuation",
    "colon",
    "last space",
    "word start",
    "speaker name",
)
CLASSES = (*PLACES, *TOKENS)
CHUNK = 16
SMALLEST_STD = 1e-6


@dataclass(frozen=True)
class Targets:
    """Keys of each token class: `keys [class, window, query, key]`; a query without any is left out of the mean."""

    keys: Bool[Tensor, "cls window query key"]

    @property
    def has_key(self) -> Float[Tensor, "cls window query"]:
        """1 for the queries that have a key, 0 for the others."""
        return self.keys.any(-1).float()


@dataclass(frozen=True)
class ClassAttention:
    """Attention statistics of one set of windows, from which scores and p-values follow."""

    positions: Float[np.ndarray, "position layer head window"]
    """Attention above uniform to the keys of each of `PLACES`."""
    offsets: Float[np.ndarray, "offset layer head window"]
    """The same for every offset back, up to half the window."""
    keys: Float[np.ndarray, "key layer head window"]
    """The same for every key position in the first half of the window."""
    cross: Float[np.ndarray, "token layer head window text"]
    """Each window's attention, above uniform, to the keys of each window's text; NaN where that text has none."""


def token_targets(text: TokenizedText, windows: Windows) -> Targets:
    """The keys of every class in `TOKENS` in windows of a text. A start symbol at position 0 is never a key.

    A token is classified by its last character; "same character" requires the same token.
    """
    size, where = windows.size, text.last[windows.places]
    of = {name: here[where] for name, here in concepts(text.text).items()}
    tokens, colon = text.tokens.numpy()[windows.places], np.array(list(text.text))[where] == ":"
    named = [of["newline"], of["space"], of["punctuation"], colon]
    last = [
        (_latest(_shifted(of["space"] | of["newline"])) - 1, True),
        (_latest(of["word start"]), _in_word(of["word start"], of)),
    ]
    spans = np.cumsum(of["speaker name"] & ~_shifted(of["speaker name"]), axis=1)
    own_speaker = (spans[:, :, None] == spans[:, None, :]) & of["speaker name"][:, None, :]
    classes = [
        tokens[:, :, None] == tokens[:, None, :],
        *(np.broadcast_to(keys[:, None, :], (len(where), size, size)) for keys in named),
        *((np.arange(size) == at[..., None]) & np.asarray(asked)[..., None] for at, asked in last),
        own_speaker & ~of["speaker name"][:, :, None],
    ]
    keys = torch.from_numpy(np.stack(classes) & np.tri(size, k=-1, dtype=bool))
    return Targets(F.pad(keys, (windows.lead, 0, windows.lead, 0)))


def _latest(where: Bool[np.ndarray, "window pos"]) -> Int[np.ndarray, "window pos"]:
    """The last position up to each one at which `where` holds, -1 where there is none."""
    return np.maximum.accumulate(np.where(where, np.arange(where.shape[1]), -1), axis=1)


def _in_word(starts: Bool[np.ndarray, "window pos"], of: dict[str, np.ndarray]) -> Bool[np.ndarray, "window pos"]:
    """Letters after the first of a word: their word begins at an earlier position."""
    return ~starts & (of["vowel"] | of["consonant"])


def _shifted(where: Bool[np.ndarray, "window pos"]) -> Bool[np.ndarray, "window pos"]:
    return np.pad(where[:, :-1], ((0, 0), (1, 0)))


def attention(model: GPT, tokens: Int[Tensor, "window pos"], targets: Targets) -> ClassAttention:
    """Run the model on windows and compute the statistics of its patterns, layer by layer."""
    patterns = [activations(model, chunk, keep=["pattern"]).layers("pattern").cpu() for chunk in tokens.split(CHUNK)]
    layers = [judged(torch.cat([part[layer] for part in patterns]), targets) for layer in range(model.config.n_layer)]
    names = ("positions", "offsets", "keys", "cross")
    return ClassAttention(*(np.stack([getattr(one, name)[:, 0] for one in layers], axis=1) for name in names))


def judged(patterns: Float[Tensor, "window head query key"], targets: Targets) -> ClassAttention:
    """The same statistics from given patterns: one layer of heads."""
    size = patterns.shape[-1]
    share = 1 / torch.arange(1, size + 1)
    offsets = torch.stack([_above(_stripe(patterns, back), share[back:]) for back in range(size // 2)])
    keys = torch.stack([_above(_column(patterns, key), share[key + 1 :]) for key in range(size // 2)])
    positions = torch.cat([offsets[1 : FARTHEST + 1], offsets[:1], keys[:1]])
    return ClassAttention(*(_by_layer(part) for part in (positions, offsets, keys, _cross(patterns, targets))))


def _stripe(patterns: Tensor, back: int) -> Float[Tensor, "window head query"]:
    """Attention to the key `back` positions before the query."""
    return patterns.diagonal(-back, dim1=-2, dim2=-1)


def _column(patterns: Tensor, key: int) -> Float[Tensor, "window head query"]:
    """Attention of all later queries to one key position."""
    return patterns[..., key + 1 :, key]


def _above(share: Tensor, uniform: Tensor) -> Float[Tensor, "head window"]:
    """Mean share above uniform attention: 1 is all attention."""
    base = uniform.mean()
    return ((share.mean(-1) - base) / (1 - base)).T


def _cross(patterns: Tensor, targets: Targets) -> Float[Tensor, "cls head window text"]:
    """Every window's attention to the keys of every window's text: (share - uniform) / (1 - uniform)."""
    windows, heads, size, _ = patterns.shape
    share = 1 / torch.arange(1, size + 1)
    queries = targets.has_key.sum(-1)
    rows = []
    for keys, count in zip(targets.keys.float(), queries, strict=True):
        sums = patterns.transpose(0, 1).reshape(heads * windows, -1) @ keys.reshape(windows, -1).T
        base = (keys.sum(-1) * share).sum(-1) / count
        rows.append(((sums.view(heads, windows, windows) / count) - base) / (1 - base))
    return torch.stack(rows)


def _by_layer(values: Tensor) -> np.ndarray:
    """Insert a layer axis of length one after the first axis."""
    return values[:, None].double().numpy()


# ---- scores and tests ------------------------------------------------------------------------------------------------


def scores(found: ClassAttention) -> Sweep:
    """Every class's score in every window, `[cls, layer, head, window]`: 0 is chance, 1 is all attention, NaN is no key."""
    own = np.diagonal(found.cross, axis1=-2, axis2=-1)
    chance = _own_position(found)[..., None]
    values = np.concatenate([found.positions, _share_above(own, chance)])
    return Sweep(values, ("cls", "layer", "head", "window"), "share above chance", {"cls": CLASSES})


def _share_above(attention: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Attention above chance, as a share of what is possible; NaN where the position alone decides it (chance 1)."""
    with np.errstate(invalid="ignore"):
        return (attention - chance) / (1 - chance)


def mean_of_present(values: np.ndarray, axis: int | tuple[int, ...] = -1) -> np.ndarray:
    """Mean of the values that are not NaN; 0 if all are."""
    present = ~np.isnan(values)
    return np.where(present, values, 0).sum(axis) / present.sum(axis).clip(1)


def t_statistic(values: np.ndarray) -> np.ndarray:
    """Mean over standard error along the last axis, ignoring NaN; 0 for fewer than two values."""
    count = (~np.isnan(values)).sum(-1)
    mean = mean_of_present(values)
    std = np.sqrt(mean_of_present((values - mean[..., None]) ** 2) * count / (count - 1).clip(1))
    return np.where(count > 1, mean / (std.clip(SMALLEST_STD) / np.sqrt(count.clip(1))), 0.0)


def p_values(found: ClassAttention, permutations: int, *labels: object) -> Sweep:
    """Family-wise p-value of every head and class: `[cls, layer, head]`.

    By max-T over all heads and classes of a family (position or token classes), times two for the two families. T is the
    mean over windows divided by its standard error, because scores at near positions vary more than at far ones.
    """
    rng = np.random.default_rng(seed_for("taxonomy", *labels))
    windows = found.positions.shape[-1]
    chance, every = _own_position(found)[..., None], np.arange(windows)
    drawn = np.empty((permutations, 2))
    for i in range(permutations):
        offset = rng.integers(len(found.offsets), size=(len(PLACES) - 1, windows))
        key = rng.integers(len(found.keys), size=windows)
        positions = (found.offsets[offset, ..., every], found.keys[key, ..., every][None])
        swapped = found.cross[..., every, rng.permutation(windows)]
        drawn[i] = (
            max(t_statistic(np.moveaxis(one, 1, -1)).max() for one in positions),
            t_statistic(_share_above(swapped, chance)).max(),
        )
    observed = t_statistic(scores(found).values)
    families = (observed[: len(PLACES)], observed[len(PLACES) :])
    p = [
        (1 + (null[:, None] >= part.ravel()).sum(0)) / (1 + permutations)
        for null, part in zip(drawn.T, families, strict=True)
    ]
    values = np.minimum(len(families) * np.concatenate(p), 1).reshape(observed.shape)
    return Sweep(values, ("cls", "layer", "head"), "p", {"cls": CLASSES})


def _own_position(found: ClassAttention) -> Float[np.ndarray, "token layer head"]:
    """Attention above uniform that a head sends to a class whatever the text; at least 0."""
    return np.maximum(mean_of_present(found.cross, axis=(-2, -1)), 0)
