"""Why does a head look there? Its score of a key, shared out exactly among pairs of writes.

    score(query, key) = sum_uv Q(u) . K(v) * scale

Q(u) is what write u at the query's position puts into the query, K(v) what write v at the key's position puts into the key.
The norm's scale is held at its value, and each part is rotated by its position where positions are rotary. All constants (the
norm's bias, those of query and key, and the output biases of attention in lower layers) together are a source of their own,
"bias".

The softmax sees differences of scores alone, so what counts is a pair's part at this key less its mean over all keys that the
query sees: `relative`.

Source: the bilinear form of queries and keys, and path expansion, of Elhage et al. 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import writes_of
from nanoscope.interventions.run import model_and_tokens
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Attention
from nanoscope.model.names import head_name
from nanoscope.model.positions import rotated

BIAS = "bias"


@dataclass(frozen=True, eq=False)
class ScoreParts:
    """The parts of one score of a head; they sum to it. `mean` are the same parts, averaged over all keys that the query
    sees, itself included."""

    head: str
    query: int
    key: int
    names: tuple[str, ...]
    """The sources, and "bias": of the rows for the query, of the columns for the key."""
    parts: Float[np.ndarray, "into_query into_key"]
    mean: Float[np.ndarray, "into_query into_key"]

    @property
    def score(self) -> float:
        """The score before the softmax (in `relative` parts: less the mean score)."""
        return float(self.parts.sum())

    @property
    def relative(self) -> ScoreParts:
        """The parts less their means: they sum to how far the score lies above the mean score."""
        return replace(self, parts=self.parts - self.mean, mean=np.zeros_like(self.mean))

    def of(self, into_query: str, into_key: str) -> float:
        """The part of one pair."""
        return float(self.parts[self.names.index(into_query), self.names.index(into_key)])

    def largest(self, count: int = 5) -> tuple[tuple[str, str, float], ...]:
        """The pairs with the largest parts, by size: (write into the query, write into the key, part)."""
        pairs = [(u, v, self.of(u, v)) for u in self.names for v in self.names]
        return tuple(sorted(pairs, key=lambda pair: -abs(pair[2]))[:count])

    def __repr__(self) -> str:
        pairs = ", ".join(f"{u} x {v} {part:+.3g}" for u, v, part in self.largest(3))
        return f"ScoreParts({self.head}, query {self.query}, key {self.key}: {self.score:.4g} = {pairs}, ...)"


def score_parts(model: GPT, tokens: Int[Tensor, "pos"], layer: int, head: int, query: int, key: int) -> ScoreParts:
    """The parts of one head's score of the key at one position for the query at another, in one text.

    NanoscopeError for a head or position that there is not, and for a key that the query cannot see.
    """
    name = head_name(layer, head)
    graph, (_, text) = graph_of(model.config), model_and_tokens(model, tokens)
    if len(text) != 1:
        raise NanoscopeError(f"the parts of a score are those of one text, [pos], not of {len(text)}")
    if f"{name}.q" not in graph.reads:
        heads = f"{model.config.n_layer} layers of {model.config.n_head} heads"
        raise NanoscopeError(f"the model has no head {name}; it has {heads}, both counted from 0")
    if not 0 <= key <= query < text.shape[1]:
        raise NanoscopeError(
            f"query {query} cannot see key {key} in a text of {text.shape[1]} tokens; positions count from 0, and a key "
            "must not come after its query"
        )
    sources = [graph.sources[n] for n in np.flatnonzero(graph.exists[:, graph.reads.index(f"{name}.q")])]
    with torch.no_grad():
        seen = _normed_parts(model, text, layer, len(sources))
        q, k = (_into(model.blocks[layer].attn, head, which, seen) for which in (0, 1))
        scaled = q[:, query] * model.blocks[layer].attn.scale
        parts = torch.einsum("uk,vpk->puv", scaled, k[:, : query + 1]).double().cpu().numpy()
    return ScoreParts(name, query, key, (*sources, BIAS), parts[key], parts.mean(0))


def _normed_parts(
    model: GPT, text: Int[Tensor, "1 pos"], layer: int, sources: int
) -> Float[Tensor, "part pos d_model"]:
    """What each source, and last all constants, contribute to what the attention of a layer reads."""
    writes, norm = writes_of(model, text).writes[:sources, 0], model.blocks[layer].ln_1
    below = [lower.attn.c_proj.bias for lower in model.blocks[:layer] if lower.attn.c_proj.bias is not None]
    parts = torch.cat([writes, sum(below, torch.zeros_like(writes[:1]))])
    seen = arithmetic.norm_frozen(parts, parts.sum(0).expand_as(parts), norm)
    return seen if norm.bias is None else torch.cat([seen[:-1], seen[-1:] + norm.bias])


def _into(
    attn: Attention, head: int, which: int, seen: Float[Tensor, "part pos d_model"]
) -> Float[Tensor, "part pos d_head"]:
    """What each part puts into the head's query (`which` 0) or key (1); its bias goes with the constants, the last part."""
    positions = torch.arange(seen.shape[1], device=seen.device)
    constant = arithmetic.qkv_of_head(seen[-1], attn, positions, which, head)
    parts = seen[:-1] @ (attn.W_Q, attn.W_K)[which][head]
    if attn.rotation is not None:
        parts = rotated(parts[..., None, :], attn.rotation, positions.expand(parts.shape[:-1]))[..., 0, :]
    return torch.cat([parts, constant[None]])
