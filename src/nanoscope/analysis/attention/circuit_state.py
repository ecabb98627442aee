"""Features for predicting a model's errors: its confidence, and what chosen heads do, at each position of a text.

A circuit has two heads: one attends to the previous token, one to what followed the longest earlier match of the text so
far. For each head and position the features are: its attention to its target, the entropy of its attention, the norm of
its write, and the direct contribution of that write to two logits, the model's first choice and the character that
copying would predict (both relative to the mean logit, with the final norm's scale fixed; see docs/methods/failures.md).

Heads are chosen by attention above chance on natural text. For the copying head, chance is its own attention to the
targets of another window's text, which removes all that distance and position explain.
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
from nanoscope.interventions.run import Cache, activations, run
from nanoscope.model.gpt import GPT
from nanoscope.model.unembedding import direct_effect, logit_direction
from nanoscope.text.matches import Matches, matches
from nanoscope.text.windows import at_a_time, batches

Head = tuple[int, int]
CHUNK = 16
SKIP = 8
"""Positions left out at the beginning of a window, where hardly anything can be copied yet."""
LEAST_MATCH = 3
FARTHER_THAN = 8
"""Copying heads are chosen on matches of at least `LEAST_MATCH` characters that continue farther back than this."""
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
    """One head for each role."""

    previous: Head
    copying: Head

    @property
    def heads(self) -> tuple[Head, Head]:
        """In the order of `ROLES`."""
        return self.previous, self.copying


@dataclass(frozen=True)
class Observed:
    """Features at each position; the feature axis comes first, in the order of its table of names."""

    wrong: Bool[np.ndarray, "window position"]
    """Whether the model's first choice differs from the next token."""
    top: Int[np.ndarray, "window position"]
    confidence: Float[np.ndarray, "confidence window position"] = field(repr=False)
    match: Float[np.ndarray, "match window position"] = field(repr=False)
    states: Float[np.ndarray, "circuit state window position"] = field(repr=False)
    """For each circuit, `STATE` of its previous-token head, then of its copying head."""

    @property
    def chance(self) -> Float[np.ndarray, "window position"]:
        """The probability of the first choice."""
        return np.exp(self.confidence[0])

    def __getitem__(self, windows: np.ndarray) -> Observed:
        """Some of the windows."""
        states = self.states[:, :, windows]
        return Observed(
            self.wrong[windows], self.top[windows], self.confidence[:, windows], self.match[:, windows], states
        )


# ---- choosing heads --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """Each head's share of attention, above chance, to the previous token and to the token to copy."""

    previous: Float[np.ndarray, "layer head"]
    copying: Float[np.ndarray, "layer head"]

    @property
    def best(self) -> Circuit:
        """The best head for each role; never the same head twice."""
        previous = _largest(self.previous)
        rest = self.copying.copy()
        rest[previous] = -np.inf
        return Circuit(previous, _largest(rest))


def scores(model: GPT, tokens: Int[Tensor, "window pos"]) -> Scores:
    """Both scores of every head on some windows.

    Raises NanoscopeError for a model with one head, or a text with too few repeats.
    """
    if model.config.n_layer * model.config.n_head < 2:
        raise NanoscopeError("the model has one head only; a copying circuit needs two")
    size = tokens.shape[1]
    own, other = (_keys(source, size) for source in _copy_sources(tokens))
    totals = torch.zeros(3, model.config.n_layer, model.config.n_head)
    for rows in batches(len(tokens), CHUNK):
        patterns = activations(model, tokens[rows], keep=["pattern"]).layers("pattern").cpu()
        before = patterns.diagonal(-1, dim1=-2, dim2=-1).sum((1, 3))
        totals += torch.stack([before, *(torch.einsum("lbhqk,bqk->lh", patterns, keys[rows]) for keys in (own, other))])
    uniform = (1 / torch.arange(2, size + 1)).mean()
    previous = totals[0] / (len(tokens) * (size - 1)) - uniform
    copying = totals[1] / own.sum() - totals[2] / other.sum()
    return Scores(previous.double().numpy(), copying.double().numpy())


def _copy_sources(tokens: Tensor) -> tuple[Int[np.ndarray, "window pos"], Int[np.ndarray, "window pos"]]:
    """The positions a copying head should attend to, -1 where there is none; and those of the window before."""
    found = matches(tokens.numpy())
    far = np.arange(tokens.shape[1]) - found.source > FARTHER_THAN
    source = np.where((found.length >= LEAST_MATCH) & far, found.source, -1)
    if (source < 0).all() or len(tokens) < 2:
        raise NanoscopeError(
            f"no text in {len(tokens)} windows repeats {LEAST_MATCH} characters from more than {FARTHER_THAN} back, "
            "so no copying head can be chosen; use more windows"
        )
    return source, np.roll(source, 1, axis=0)


def _keys(source: np.ndarray, size: int) -> Float[Tensor, "window query key"]:
    """One-hot keys; a row of zeros where the source is -1."""
    return F.one_hot(torch.from_numpy(source + 1), size + 1)[..., 1:].float()


def _largest(values: np.ndarray) -> Head:
    layer, head = np.unravel_index(values.argmax(), values.shape)
    return int(layer), int(head)


# ---- features --------------------------------------------------------------------------------------------------------


def observe(
    model: GPT,
    tokens: Int[Tensor, "window pos"],
    following: Int[Tensor, "window pos"],
    circuits: Sequence[Circuit],
    positions: slice = slice(SKIP, None),
    edits: Sequence[Edit] = (),
) -> Observed:
    """Features of some windows under some edits, at the given `positions`; `following[:, i]` is the token after position i.

    Edits apply to one batch: if there are any, all windows are run at once.
    """
    chunk = at_a_time(CHUNK, tokens.shape[1], model.config.vocab_size)
    chunks = batches(len(tokens), len(tokens) if edits else chunk)
    parts = [_observed(model, tokens[rows], following[rows], circuits, positions, edits) for rows in chunks]
    joined = {f.name: [getattr(part, f.name) for part in parts] for f in fields(Observed)}
    return Observed(**{name: np.concatenate(values, axis=-2) for name, values in joined.items()})


@torch.no_grad()
def _observed(
    model: GPT, tokens: Tensor, following: Tensor, circuits: Sequence[Circuit], positions: slice, edits: Sequence[Edit]
) -> Observed:
    layers = {layer for circuit in circuits for layer, _ in circuit.heads}
    last = ("resid_post", model.config.n_layer - 1)
    kept = [(name, layer) for layer in sorted(layers) for name in ("pattern", "z")]
    logits, cache = run(model, tokens, edits, keep=[*kept, last])
    chances = logits[:, positions].float().log_softmax(-1)
    best = chances.topk(2, dim=-1)
    top = best.indices[..., 0]
    entropy = -(chances.exp() * chances).sum(-1)
    confidence = torch.stack([best.values[..., 0], entropy, best.values[..., 0] - best.values[..., 1]])
    found = matches(tokens.numpy())
    copy = _copied(tokens, found)[:, positions]
    states = [_states(model, cache, circuit, found, top, copy, positions) for circuit in circuits]
    lengths = found.length[:, positions]
    match = [*(lengths >= length for length in LENGTHS), copy.numpy() == top.cpu().numpy()]
    wrong = top.cpu() != following[:, positions]
    return Observed(
        wrong.numpy(), top.cpu().numpy(), _array(confidence), np.stack(match).astype(float), np.stack(states)
    )


def _copied(tokens: Tensor, found: Matches) -> Int[Tensor, "window pos"]:
    """The character that copying would predict, -1 where there is no match."""
    source = torch.from_numpy(found.source)
    return torch.where(source >= 0, tokens.gather(1, source.clamp_min(0)), -1)


def _states(
    model: GPT, cache: Cache, circuit: Circuit, found: Matches, top: Tensor, copy: Tensor, positions: slice
) -> Float[np.ndarray, "feature window position"]:
    """The features `STATE` of both heads of a circuit."""
    size = found.source.shape[1]
    before = np.broadcast_to(np.arange(size) - 1, found.source.shape)
    final = cache["resid_post", model.config.n_layer - 1][:, positions]
    rows = []
    for (layer, head), key in zip(circuit.heads, (before, found.source), strict=True):
        pattern = cache["pattern", layer][:, head, positions]
        write = _write(model, cache, layer, head)[:, positions]
        attended = (pattern.cpu() * _keys(key[:, positions], size)).sum(-1)
        rows += [attended.to(pattern), torch.special.entr(pattern).sum(-1), write.norm(dim=-1)]
        rows += [_to_logit(model, write, final, token) for token in (top, copy.to(top))]
    return _array(torch.stack(rows))


def _write(model: GPT, cache: Cache, layer: int, head: int) -> Float[Tensor, "window pos d_model"]:
    """What one head writes to the residual stream, without biases."""
    return cache["z", layer][:, :, head] @ model.blocks[layer].attn.W_O[head]


def _to_logit(model: GPT, write: Tensor, final: Tensor, token: Tensor) -> Float[Tensor, "window position"]:
    """Direct contribution of a write to one logit minus the mean logit; 0 where the token is -1."""
    direct = direct_effect(model, write, final, logit_direction(model, token.clamp_min(0))[0])
    return torch.where(token >= 0, direct, 0.0)


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
