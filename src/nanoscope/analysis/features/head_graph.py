"""The attribution graph with a node for every head and position: its edges are direct.

Features and logits read what was written into the stream at their own position; heads read where they look, by the frozen
pattern. A head writes a vector, so what it reads is measured along the direction that raises the logits: contributions to
`write . g`, with g the gradient of the weighted logits in the replacement model. They are exact, and sum to `write . g`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.analysis.features.graph import (
    ERROR,
    FEATURE,
    HEAD,
    LOGIT,
    TOKEN,
    AttributionGraph,
    Nodes,
    graph_nodes,
    read_constants,
    reads_of_logits,
    writes_in,
)
from nanoscope.analysis.features.local_model import Local, normed, steepest
from nanoscope.model import arithmetic


def with_heads(local: Local) -> AttributionGraph:
    """The graph of a text's last prediction, with heads."""
    nodes, weights, direction = graph_nodes(local, heads=True)
    g, writes = steepest(local, direction)[0], _writes(local, nodes)
    A, constant = torch.zeros(len(nodes), len(nodes)), torch.zeros(len(nodes))
    stream = torch.zeros(1, *local.embedding.shape)
    for layer, block in enumerate(local.model.blocks):
        before, heads = nodes.layer < layer, nodes.of(HEAD) & (nodes.layer == layer)
        sources, rows = before.nonzero().flatten(), heads.nonzero().flatten()
        A[rows[:, None], sources], constant[rows] = _into_heads(
            local, layer, g[layer], writes, nodes.pos, sources, stream[0]
        )
        middle = stream if block.attn.c_proj.bias is None else stream + block.attn.c_proj.bias
        sources = (before if local.model.config.parallel else before | heads).nonzero().flatten()
        rows = local.features.in_layer(layer)
        A[rows[:, None], sources] = _into_features(local, layer, writes[sources], nodes.pos[sources])
        read_constants(local, nodes, layer, stream if local.model.config.parallel else middle, constant)
        stream = middle + local.coders[layer].b_dec
    read_constants(local, nodes, local.model.config.n_layer, stream, constant)
    logits, last = nodes.of(LOGIT), ~nodes.of(LOGIT) & (nodes.pos == len(local.tokens) - 1)
    A[logits.nonzero(), last.nonzero().T] = reads_of_logits(local, nodes.index[logits], writes[last])
    nodes = _with_values_of_heads(nodes, writes, g)
    return AttributionGraph(local, nodes, A, constant, weights, direction)


def _writes(local: Local, nodes: Nodes) -> Float[Tensor, "node d_model"]:
    """What every node writes; of logits nothing."""
    found = torch.zeros(len(nodes), local.model.config.n_embd)
    for layer in range(-1, local.model.config.n_layer):
        found[nodes.of(FEATURE, ERROR, TOKEN) & (nodes.layer == layer)] = writes_in(local, layer)
        if layer >= 0:
            attn, z = local.model.blocks[layer].attn, local.cache["z", layer][0]
            heads = torch.einsum("thk,hkd->htd", z, attn.W_O)
            found[nodes.of(HEAD) & (nodes.layer == layer)] = heads.flatten(0, 1)
    return found


def _into_features(
    local: Local, layer: int, writes: Float[Tensor, "source d_model"], pos: Int[Tensor, "source"]
) -> Float[Tensor, "row source"]:
    """Direct contributions to the features of one layer, from what was written at their own positions."""
    norm = local.model.blocks[layer].ln_2
    assert norm is not None
    read = normed(writes, local.read_by_mlp(layer)[pos], norm)
    same = local.features.pos[local.features.in_layer(layer)][:, None] == pos
    return local.encoders(layer) @ read.T * same


def _into_heads(
    local: Local,
    layer: int,
    g: Float[Tensor, "pos d_model"],
    writes: Float[Tensor, "node d_model"],
    pos: Int[Tensor, "node"],
    sources: Int[Tensor, "source"],
    constant: Float[Tensor, "pos d_model"],
) -> tuple[Float[Tensor, "row source"], Float[Tensor, "row"]]:
    """What the heads of one layer read along g, of the sources and of constants in the stream: a row for every head and pos."""
    block, whole = local.model.blocks[layer], local.cache["resid_pre", layer][0]
    pattern = local.cache["pattern", layer][0]
    along = torch.einsum("hkd,td->htk", block.attn.W_O, g)
    reader = torch.einsum("hek,htk->hte", block.attn.W_V, along)
    read = normed(writes[sources], whole[pos[sources]], block.ln_1)
    found = torch.einsum("hte,se->hts", reader, read) * pattern[:, :, pos[sources]]
    fixed = normed(constant, whole, block.ln_1)
    fixed = fixed if block.ln_1.bias is None else fixed + block.ln_1.bias
    (value,) = arithmetic.qkv(fixed, block.attn, torch.arange(len(fixed)), first=2)
    return found.flatten(0, 1), torch.einsum("hqt,thk,hqk->hq", pattern, value, along).flatten()


def _with_values_of_heads(
    nodes: Nodes, writes: Float[Tensor, "node d_model"], g: Float[Tensor, "layer pos d_model"]
) -> Nodes:
    """Nodes whose heads have the value `write . g`."""
    heads: Bool[Tensor, "node"] = nodes.of(HEAD)
    value = nodes.value.clone()
    value[heads] = (writes[heads] * g[nodes.layer[heads], nodes.pos[heads]]).sum(1)
    return replace(nodes, value=value)
