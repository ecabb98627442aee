"""The attribution graph of one prediction: what each feature, error, token and head contributes to each feature and logit.

Between active features the local replacement model is linear, so contributions are exact and sum, with a constant, to each
target's value. There are two graphs of the same nodes:

- `through_attention` follows attention's frozen patterns as part of the edges, as circuit-tracer does: no heads.
- `head_graph.with_heads` stops at every head and position.

Targets are rows, sources columns. Logits are relative to their mean over the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.analysis.features.local_model import Local, attended, attention_constant, normed
from nanoscope.text.windows import batches

KINDS = ("feature", "error", "token", "head", "logit")
FEATURE, ERROR, TOKEN, HEAD, LOGIT = range(5)
MOST_LOGITS, COVERED = 10, 0.95
CHUNK = 256
"""Sources that are followed through the layers at a time."""


@dataclass(frozen=True)
class Nodes:
    """All nodes: features, errors, tokens, heads, logits. `index` is a latent, a token, a head, or a symbol."""

    kind: Int[Tensor, "node"]
    layer: Int[Tensor, "node"]
    """The layer in which a node writes; -1 of tokens, the number of layers of logits."""
    pos: Int[Tensor, "node"]
    index: Int[Tensor, "node"]
    value: Float[Tensor, "node"]
    """A feature's value, a logit's beyond the mean, a head's write along g; else 0."""

    def __len__(self) -> int:
        return len(self.kind)

    def of(self, *kinds: int) -> Bool[Tensor, "node"]:
        """Which nodes are of these kinds."""
        return torch.isin(self.kind, torch.tensor(kinds))


@dataclass(frozen=True)
class AttributionGraph:
    """Nodes and contributions `A [target, source]`; `constant` are those of biases, by target."""

    local: Local = field(repr=False)
    nodes: Nodes = field(repr=False)
    A: Float[Tensor, "node node"] = field(repr=False)
    constant: Float[Tensor, "node"] = field(repr=False)
    weights: Float[Tensor, "node"] = field(repr=False)
    """Of the logits their probabilities, of all others 0."""
    direction: Float[Tensor, "vocab"] = field(repr=False)
    """The sum of logits, weighted by their probabilities, relative to the mean: what the graph is of."""


def graph_nodes(local: Local, heads: bool) -> tuple[Nodes, Float[Tensor, "node"], Float[Tensor, "vocab"]]:
    """The nodes of a text's last prediction, with the weights of the logits, and their weighted sum as a direction."""
    config, size = local.model.config, len(local.tokens)
    logits = local.logits[-1]
    p = logits.log_softmax(-1).exp()
    ordered = p.argsort(descending=True)[:MOST_LOGITS]
    chosen = ordered[: 1 + int((p[ordered].cumsum(0) < COVERED).sum())]
    layers, places = torch.arange(config.n_layer), torch.arange(size)
    f, zero = local.features, torch.zeros_like
    each = (
        torch.cartesian_prod(layers, torch.arange(config.n_head), places)
        if heads
        else torch.zeros(0, 3, dtype=torch.long)
    )
    at = torch.cartesian_prod(layers, places)
    parts = [
        (FEATURE, f.layer, f.pos, f.latent, f.value),
        (ERROR, at[:, 0], at[:, 1], zero(at[:, 0]), torch.zeros(len(at))),
        (TOKEN, zero(places) - 1, places, local.tokens, torch.zeros(size)),
        (HEAD, each[:, 0], each[:, 2], each[:, 1], torch.zeros(len(each))),
        (LOGIT, zero(chosen) + config.n_layer, zero(chosen) + size - 1, chosen, logits[chosen] - logits.mean()),
    ]
    kind = torch.cat([torch.full_like(layer, number) for number, layer, *_ in parts])
    nodes = Nodes(kind, *(torch.cat(column) for column in list(zip(*parts, strict=True))[1:]))
    weights = torch.zeros(len(nodes))
    weights[nodes.of(LOGIT)] = p[chosen]
    direction = torch.zeros_like(logits)
    direction[chosen] = p[chosen]
    return nodes, weights, direction - direction.mean()


# ---- reading ---------------------------------------------------------------------------------------------------------


def reads_of_mlps(local: Local, layer: int, parts: Float[Tensor, "part pos d_model"]) -> Float[Tensor, "some part"]:
    """What parts of the stream contribute to the values of one layer's features."""
    norm = local.model.blocks[layer].ln_2
    assert norm is not None
    read = normed(parts, local.read_by_mlp(layer), norm)
    pos = local.features.pos[local.features.in_layer(layer)]
    return torch.einsum("psd,sd->sp", read[:, pos], local.encoders(layer))


def reads_of_logits(
    local: Local, symbols: Int[Tensor, "logit"], parts: Float[Tensor, "part d_model"]
) -> Float[Tensor, "logit part"]:
    """What parts of the last position's stream contribute to logits, relative to the mean logit."""
    model, W = local.model, local.model.lm_head.weight
    last = local.cache["resid_post", model.config.n_layer - 1][0, -1]
    read = parts if model.ln_f is None else normed(parts, last[None], model.ln_f)
    return (W[symbols] - W.mean(0)) @ read.T


# ---- through attention -----------------------------------------------------------------------------------------------


def through_attention(local: Local) -> AttributionGraph:
    """The graph without heads: attention belongs to the edges."""
    nodes, weights, direction = graph_nodes(local, heads=False)
    A = torch.zeros(len(nodes), len(nodes))
    for layer in range(-1, local.model.config.n_layer):
        here = (nodes.of(FEATURE, ERROR, TOKEN) & (nodes.layer == layer)).nonzero().flatten()
        writes = writes_in(local, layer)
        for some in batches(len(here), CHUNK):
            stream = torch.zeros(some.stop - some.start, len(local.tokens), local.model.config.n_embd)
            stream[torch.arange(len(stream)), nodes.pos[here[some]]] = writes[some]
            for rows, found in _followed(local, nodes, stream, layer + 1):
                A[rows[:, None], here[some]] = found
    return AttributionGraph(local, nodes, A, _constants(local, nodes), weights, direction)


def writes_in(local: Local, layer: int) -> Float[Tensor, "some d_model"]:
    """What the features and errors of a layer write, in the order of the nodes; of layer -1 the tokens."""
    return local.embedding if layer < 0 else torch.cat([local.decoders(layer), local.errors[layer]])


def _followed(
    local: Local, nodes: Nodes, stream: Float[Tensor, "part pos d_model"], first: int
) -> Iterator[tuple[Int[Tensor, "row"], Float[Tensor, "row part"]]]:
    """Follow parts of the stream upwards from before layer `first`: the rows of targets, and what they read."""
    features = nodes.of(FEATURE)
    for layer in range(first, local.model.config.n_layer):
        middle = stream + attended(local, layer, stream)
        read = stream if local.model.config.parallel else middle
        yield (features & (nodes.layer == layer)).nonzero().flatten(), reads_of_mlps(local, layer, read)
        stream = middle
    logits = nodes.of(LOGIT)
    yield logits.nonzero().flatten(), reads_of_logits(local, nodes.index[logits], stream[:, -1])


def _constants(local: Local, nodes: Nodes) -> Float[Tensor, "node"]:
    """What biases contribute to every target, through attention too."""
    found, stream = torch.zeros(len(nodes)), torch.zeros(1, *local.embedding.shape)
    for layer in range(local.model.config.n_layer):
        middle = stream + attended(local, layer, stream) + attention_constant(local, layer)
        read_constants(local, nodes, layer, stream if local.model.config.parallel else middle, found)
        stream = middle + local.coders[layer].b_dec
    read_constants(local, nodes, local.model.config.n_layer, stream, found)
    return found


def read_constants(
    local: Local, nodes: Nodes, layer: int, stream: Float[Tensor, "1 pos d_model"], found: Float[Tensor, "node"]
) -> None:
    """Write into `found` what the targets of one layer read of a constant stream, their norms' and their own biases."""
    model, features = local.model, local.features
    if layer == model.config.n_layer:
        logits = nodes.of(LOGIT)
        bias = model.lm_head.bias
        own = torch.zeros_like(model.lm_head.weight[:, 0]) if bias is None else bias
        if model.ln_f is not None and model.ln_f.bias is not None:
            own = own + model.lm_head.weight @ model.ln_f.bias
        of = nodes.index[logits]
        found[logits] = reads_of_logits(local, of, stream[:, -1])[:, 0] + own[of] - own.mean()
        return
    here, coder, norm = features.in_layer(layer), local.coders[layer], model.blocks[layer].ln_2
    assert norm is not None
    own = coder.b_enc if norm.bias is None else coder.b_enc + coder.W_enc @ norm.bias
    found[here] = reads_of_mlps(local, layer, stream)[:, 0] + own[features.latent[here]]
