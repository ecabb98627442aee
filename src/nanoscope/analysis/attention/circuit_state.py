"""What chosen heads do at each place of a text, and how sure the model is there: what its errors may be predicted from.

Two heads make a circuit: one that looks at the previous token, one that looks at what followed the longest earlier match
of the text so far. For each, place by place: its attention to where it should look, the entropy of its attention, the
norm of what it writes, and what that adds, directly, to the logits of the model's first choice and of the character that
copying would give (both above the mean logit, the final norm's scale held; methods.md 4.3).

Heads are chosen by attention beyond chance on natural text; for the copying head chance is its own attention to the
places that another window's text names, which takes away all that distance and position explain (methods.md 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import Cache, run
from nanoscope.model.gpt import GPT
from nanoscope.model.unembedding import direct_effect, logit_direction
from nanoscope.text.matches import Matches, matches
from nanoscope.text.windows import batches

Head = tuple[int, int]
CHUNK = 16
SKIP = 8
"""Places at the beginning of a window that are left out: hardly anything can have been copied yet."""
LEAST_MATCH = 3
FARTHER_THAN = 8
"""A copying head is chosen where the match is at least so long and its continuation farther back than this."""
LENGTHS = (1, 3, 5)
CONFIDENCE = ("log-probability of the first choice", "entropy", "margin over the second choice")
MATCH = (*(f"a match of {length}" for length in LENGTHS), "the copy is the first choice")
ROLES = ("previous-token head", "copying head")
STATE = (
    "attention to its place",
    "attention entropy",
    "norm of the write",
    "write to the first choice",
    "write to the copy",
)


@dataclass(frozen=True)
class Circuit:
    """A head in each role."""

    previous: Head
    copying: Head

    @property
    def heads(self) -> tuple[Head, Head]:
        """In the order of `ROLES`."""
        return self.previous, self.copying


@dataclass(frozen=True)
class Observed:
    """What was seen at each place; features come first, in the order of their tables of names."""

    wrong: Bool[np.ndarray, "window place"]
    """The model's first choice is not what follows."""
    top: Int[np.ndarray, "window place"]
    confidence: Float[np.ndarray, "confidence window place"] = field(repr=False)
    match: Float[np.ndarray, "match window place"] = field(repr=False)
    states: Float[np.ndarray, "circuit state window place"] = field(repr=False)
    """For each circuit, `STATE` of its previous-token head, then of its copying head."""

    @property
    def chance(self) -> Float[np.ndarray, "window place"]:
        """The probability of the first choice."""
        return np.exp(self.confidence[0])

    def __getitem__(self, windows: np.ndarray) -> Observed:
        """Some of the windows."""
        states = self.states[:, :, windows]
        return Observed(
            self.wrong[windows], self.top[windows], self.confidence[:, windows], self.match[:, windows], states
        )


# ---- which heads -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """How much of its attention each head sends, beyond chance, to the previous token and to what a copy needs."""

    previous: Float[np.ndarray, "layer head"]
    copying: Float[np.ndarray, "layer head"]

    @property
    def best(self) -> Circuit:
        """The best head for either role; they are two."""
        previous = _largest(self.previous)
        rest = self.copying.copy()
        rest[previous] = -np.inf
        return Circuit(previous, _largest(rest))


def scores(model: GPT, tokens: Int[Tensor, "window pos"]) -> Scores:
    """Both scores of every head on some windows. NanoscopeError where the model or the text has too little for that."""
    if model.config.n_layer * model.config.n_head < 2:
        raise NanoscopeError("the model has one head only; a copying circuit needs two")
    size = tokens.shape[1]
    own, other = (_keys(matched, size) for matched in _asked(tokens))
    totals = torch.zeros(3, model.config.n_layer, model.config.n_head)
    for rows in batches(len(tokens), CHUNK):
        patterns = run(model, tokens[rows], keep=["pattern"]).cache.layers("pattern").cpu()
        before = patterns.diagonal(-1, dim1=-2, dim2=-1).sum((1, 3))
        totals += torch.stack([before, *(torch.einsum("lbhqk,bqk->lh", patterns, keys[rows]) for keys in (own, other))])
    uniform = (1 / torch.arange(2, size + 1)).mean()
    previous = totals[0] / (len(tokens) * (size - 1)) - uniform
    copying = totals[1] / own.sum() - totals[2] / other.sum()
    return Scores(previous.double().numpy(), copying.double().numpy())


def _asked(tokens: Tensor) -> tuple[Int[np.ndarray, "window pos"], Int[np.ndarray, "window pos"]]:
    """Where a copying head should look, -1 where that is not asked; and the same of the window before."""
    found = matches(tokens.numpy())
    far = np.arange(tokens.shape[1]) - found.source > FARTHER_THAN
    source = np.where((found.length >= LEAST_MATCH) & far, found.source, -1)
    if (source < 0).all() or len(tokens) < 2:
        raise NanoscopeError(
            f"nothing in {len(tokens)} windows repeats {LEAST_MATCH} characters from more than {FARTHER_THAN} back; "
            "no copying head can be chosen: use more windows"
        )
    return source, np.roll(source, 1, axis=0)


def _keys(source: np.ndarray, size: int) -> Float[Tensor, "window query key"]:
    """One-hot keys; a row of zeros where there is none."""
    return F.one_hot(torch.from_numpy(source + 1), size + 1)[..., 1:].float()


def _largest(values: np.ndarray) -> Head:
    layer, head = np.unravel_index(values.argmax(), values.shape)
    return int(layer), int(head)


# ---- what they do ----------------------------------------------------------------------------------------------------


def observe(
    model: GPT,
    tokens: Int[Tensor, "window pos"],
    following: Int[Tensor, "window pos"],
    circuits: Sequence[Circuit],
    places: slice = slice(SKIP, None),
    edits: Sequence[Edit] = (),
) -> Observed:
    """Read some windows under some edits; `following[:, i]` is the token after position i, `places` the positions that
    are asked. Edits are for one batch: with any, all windows are run at once."""
    chunks = batches(len(tokens), len(tokens) if edits else CHUNK)
    parts = [_observed(model, tokens[rows], following[rows], circuits, places, edits) for rows in chunks]
    joined = {f.name: [getattr(part, f.name) for part in parts] for f in fields(Observed)}
    return Observed(**{name: np.concatenate(values, axis=-2) for name, values in joined.items()})


@torch.no_grad()
def _observed(
    model: GPT, tokens: Tensor, following: Tensor, circuits: Sequence[Circuit], places: slice, edits: Sequence[Edit]
) -> Observed:
    layers = {layer for circuit in circuits for layer, _ in circuit.heads}
    last = ("resid_post", model.config.n_layer - 1)
    kept = [(name, layer) for layer in sorted(layers) for name in ("pattern", "z")]
    logits, cache = run(model, tokens, edits, keep=[*kept, last])
    chances = logits[:, places].float().log_softmax(-1)
    best = chances.topk(2, dim=-1)
    top = best.indices[..., 0]
    entropy = -(chances.exp() * chances).sum(-1)
    confidence = torch.stack([best.values[..., 0], entropy, best.values[..., 0] - best.values[..., 1]])
    found = matches(tokens.numpy())
    copy = _copied(tokens, found)[:, places]
    states = [_states(model, cache, circuit, found, top, copy, places) for circuit in circuits]
    lengths = found.length[:, places]
    match = [*(lengths >= length for length in LENGTHS), copy.numpy() == top.cpu().numpy()]
    wrong = top.cpu() != following[:, places]
    return Observed(
        wrong.numpy(), top.cpu().numpy(), _array(confidence), np.stack(match).astype(float), np.stack(states)
    )


def _copied(tokens: Tensor, found: Matches) -> Int[Tensor, "window pos"]:
    """The character that copying would give, -1 where there is no match."""
    source = torch.from_numpy(found.source)
    return torch.where(source >= 0, tokens.gather(1, source.clamp_min(0)), -1)


def _states(
    model: GPT, cache: Cache, circuit: Circuit, found: Matches, top: Tensor, copy: Tensor, places: slice
) -> Float[np.ndarray, "feature window place"]:
    """`STATE` of both heads of a circuit."""
    size = found.source.shape[1]
    before = np.broadcast_to(np.arange(size) - 1, found.source.shape)
    final = cache["resid_post", model.config.n_layer - 1][:, places]
    rows = []
    for (layer, head), key in zip(circuit.heads, (before, found.source), strict=True):
        pattern = cache["pattern", layer][:, head, places]
        write = _write(model, cache, layer, head)[:, places]
        attended = (pattern.cpu() * _keys(key[:, places], size)).sum(-1)
        rows += [attended.to(pattern), torch.special.entr(pattern).sum(-1), write.norm(dim=-1)]
        rows += [_to_logit(model, write, final, token) for token in (top, copy.to(top))]
    return _array(torch.stack(rows))


def _write(model: GPT, cache: Cache, layer: int, head: int) -> Float[Tensor, "window pos d_model"]:
    """What one head writes to the residual stream, biases left out."""
    return cache["z", layer][:, :, head] @ model.blocks[layer].attn.W_O[head]


def _to_logit(model: GPT, write: Tensor, final: Tensor, token: Tensor) -> Float[Tensor, "window place"]:
    """What a write adds, directly, to one logit above the mean logit; 0 where the token is -1."""
    direct = direct_effect(model, write, final, logit_direction(model, token.clamp_min(0))[0])
    return torch.where(token >= 0, direct, 0.0)


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
