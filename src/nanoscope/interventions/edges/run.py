"""The factored forward: a run in which every read sees its own mixture of this run's writes and another's.

    sum_i mask[i, read] * scale[i, read] * own_i + (1 - mask[i, read]) * scale[i, read] * other_i + biases

is what a read sees of the residual stream, where i runs over the sources before it. With all edges on it is the plain forward;
with all off every read sees the other run. Path patching, ACDC, learned masks, integrated gradients over the mask, the
faithfulness of a circuit and ablation of nodes are all choices of the mask, which may be real and is differentiable. There may
be several other runs, each with a share of its own (causal scrubbing).

`scale` is a fixed matrix, all ones for a GPT; models that reweight their stream between layers are linear in their writes with
other numbers in it.

Source: the factored form of Elhage et al. 2021; edge patching as in Conmy et al. 2023 (ACDC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import Graph, graph_of
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Block
from nanoscope.model.rules import EXACT, Rules

Writes = Float[Tensor, "source #batch pos d_model"]


@dataclass(frozen=True)
class EdgeRun:
    """What the unembedding reads in a run, and what every source has written, `[source, batch, pos, d_model]`."""

    final: Float[Tensor, "batch pos d_model"] = field(repr=False)
    writes: Writes = field(repr=False)
    unembedding: nn.Module = field(repr=False)

    @property
    def logits(self) -> Float[Tensor, "batch pos vocab"]:
        """The logits at all positions."""
        return self.unembedding(self.final)

    def at(self, positions: Int[Tensor, "batch read"]) -> Float[Tensor, "batch read vocab"]:
        """The logits at some positions of each example, in at least single precision: at all of them a large vocabulary
        would fill the memory."""
        found = self.unembedding(self.final.take_along_dim(positions.to(self.final.device)[..., None], dim=1))
        return found.to(torch.promote_types(found.dtype, torch.float32))


Mask = Float[Tensor, "*some source read"]


def run_edges(
    model: GPT,
    tokens: Int[Tensor, "batch pos"],
    mask: Mask,
    other: Writes,
    scale: Float[Tensor, "source read"] | None = None,
) -> EdgeRun:
    """Run the model with some of its edges taken from another run, whose writes are `other` (of a batch of one, or as many).

    `mask` is 1 where a read sees this run's write and 0 where it sees the other's: `[source, read]`, `[pos, source, read]` or
    `[example, pos, source, read]`, where pos is the position of the read; an axis may have size 1. Entries without an edge do
    not matter. NanoscopeError for a mask or writes of another shape, and for a model without a graph (`graph_of`).
    """
    return run_mixed(model, tokens, mask, [(1 - mask, other)], scale)


def run_mixed(
    model: GPT,
    tokens: Int[Tensor, "batch pos"],
    own: Mask,
    others: Sequence[tuple[Mask, Writes]],
    scale: Float[Tensor, "source read"] | None = None,
) -> EdgeRun:
    """Run the model where each read sees the share `own` of this run's writes and, of each other run's writes, its own share.

    Shapes and errors are those of `run_edges`.
    """
    factored = _mixture(model, tokens, own, others, scale)
    return factored.run([model.embed(tokens.to(model.device))])


def rerun_edges(
    model: GPT, before: EdgeRun, tokens: Int[Tensor, "batch pos"], mask: Mask, other: Writes, layer: int
) -> EdgeRun:
    """`run_edges` where `before` was the same run but for the reads of some layer and above: only these are computed.

    `layer` may be the number of layers: then only the logits differ.
    """
    factored = _mixture(model, tokens, mask, [(1 - mask, other)], None)
    return factored.run(list(before.writes[: 1 + layer * factored.writes_per_layer]), layer)


def writes_of(model: GPT, tokens: Int[Tensor, "batch pos"]) -> EdgeRun:
    """A run with all edges on."""
    return run_mixed(model, tokens, model.wte.weight.new_ones(graph_of(model.config).exists.shape), [])


def run_from(
    model: GPT,
    embed: Float[Tensor, "batch pos d_model"],
    added: Float[Tensor, "read batch pos d_model"],
    rules: Rules = EXACT,
) -> EdgeRun:
    """A run with all edges on from a given sum of embeddings, with something added to what each read sees: the gradient with
    respect to `added` is that of each read alone, taken by the `rules`."""
    on = torch.from_numpy(graph_of(model.config).exists).to(embed)[None, None]
    return _Factored(model, [(on, None)], added, rules).run([embed])


def _mixture(
    model: GPT,
    tokens: Int[Tensor, "batch pos"],
    own: Mask,
    others: Sequence[tuple[Mask, Writes]],
    scale: Float[Tensor, "source read"] | None,
) -> _Factored:
    graph = graph_of(model.config)
    weights = torch.from_numpy(graph.exists).to(own) if scale is None else scale
    shares = [(_checked(mask, graph, tokens) * weights, writes) for mask, writes in ((own, None), *others)]
    for _, other in others:
        if other.shape[0] != len(graph.sources) or other.shape[2:] != (tokens.shape[1], model.config.n_embd):
            raise NanoscopeError(
                f"the other run's writes have the shape {list(other.shape)}, not {len(graph.sources)} sources x batch x "
                f"{tokens.shape[1]} positions x {model.config.n_embd}; run the same model on texts of the same length"
            )
    return _Factored(model, shares)


def _checked(mask: Tensor, graph: Graph, tokens: Tensor) -> Float[Tensor, "some_examples some_pos source read"]:
    shape = tuple(mask.shape)
    fits = len(shape) in (2, 3, 4) and shape[-2:] == graph.exists.shape
    whole = (*tokens.shape, *graph.exists.shape)
    if not fits or any(size not in (1, most) for size, most in zip(shape[::-1][2:], whole[::-1][2:], strict=False)):
        raise NanoscopeError(
            f"the mask has the shape {list(shape)}; it needs [example, position, source, read] = {list(whole)}, "
            "where the first two may be 1 or left out"
        )
    return mask.reshape((1,) * (4 - mask.dim()) + shape)


@dataclass(frozen=True)
class _Factored:
    """A model, and the share of each run's writes in every read, `[example, pos, source, read]`: this run's own (None) and
    others'."""

    model: GPT
    shares: Sequence[tuple[Tensor, Writes | None]]
    added: Tensor | None = None
    """`[read, batch, pos, d_model]`, added to what each read sees."""
    rules: Rules = field(default=EXACT)

    @property
    def writes_per_layer(self) -> int:
        return self.model.config.n_head + (not self.model.config.attention_only)

    def run(self, known: Sequence[Tensor], first: int = 0) -> EdgeRun:
        """Go on from the writes of the embedding and of all layers before the first."""
        model, constant = self.model, self._biases(known[0], first)
        written = _Written(known, len(graph_of(model.config).sources))
        heads, mlps = 3 * model.config.n_head, int(not model.config.attention_only)
        for layer, block in enumerate(model.blocks[first:], first):
            read = layer * (heads + mlps)
            inputs = self._read(written, slice(read, read + heads)) + constant
            at_mlp = slice(read + heads, read + heads + mlps)
            before = self._read(written, at_mlp) + constant if model.config.parallel else None
            written.add(self._heads(inputs, block))
            constant = constant if block.attn.c_proj.bias is None else constant + block.attn.c_proj.bias
            if block.mlp is not None:
                seen = self._read(written, at_mlp) + constant if before is None else before
                written.add(self._mlp(seen[0], block)[None])
        final = self._read(written, slice(-1, None))[0] + constant
        normed = final if model.ln_f is None else self.rules.norm(final, model.ln_f)
        return EdgeRun(normed, written.all, model.lm_head)

    def _biases(self, like: Tensor, layers: int) -> Float[Tensor, "1 1 d_model"]:
        """The output biases of attention in the first layers."""
        biases = [block.attn.c_proj.bias for block in self.model.blocks[:layers]]
        return torch.stack([torch.zeros_like(like[:1, :1]), *(b[None, None] for b in biases if b is not None)]).sum(0)

    def _read(self, written: _Written, reads: slice) -> Float[Tensor, "read batch pos d_model"]:
        """What some reads see of the sources so far, without the constants."""
        mine, mixed = written.all, 0.0 if self.added is None else self.added[reads]
        for share, other in self.shares:
            seen = mine if other is None else other[: len(mine)]
            mixed = mixed + torch.einsum("bpsr,sbpd->rbpd", share[:, :, : len(mine), reads], seen)
        assert isinstance(mixed, Tensor)
        return mixed

    def _heads(self, inputs: Float[Tensor, "read batch pos d_model"], block: Block) -> Writes:
        """The writes of a layer's heads, whose queries, keys and values see `inputs`, head by head."""
        normed = self.rules.norm(inputs, block.ln_1).unflatten(0, (-1, 3)).transpose(0, 1)
        q, k, v = arithmetic.qkv_apart(normed, block.attn, torch.arange(inputs.shape[2], device=inputs.device))
        z = self.rules.attend(q, k, v, block.attn)
        return torch.einsum("bphk,hkd->hbpd", z, block.attn.W_O)

    def _mlp(self, seen: Float[Tensor, "batch pos d_model"], block: Block) -> Float[Tensor, "batch pos d_model"]:
        assert block.mlp is not None
        assert block.ln_2 is not None
        return self.rules.mlp(self.rules.norm(seen, block.ln_2), block.mlp)


class _Written:
    """The writes so far, `[source, batch, pos, d_model]`: in one block of memory that is filled, unless gradients are taken."""

    def __init__(self, known: Sequence[Tensor], sources: int) -> None:
        self._parts, self._filled = [torch.stack(list(known))], len(known)
        self._block = None if torch.is_grad_enabled() else known[0].new_empty(sources, *known[0].shape)
        if self._block is not None:
            self._block[: self._filled] = self._parts[0]

    def add(self, writes: Writes) -> None:
        if self._block is None:
            self._parts.append(writes)
        else:
            self._block[self._filled : self._filled + len(writes)] = writes
        self._filled += len(writes)

    @property
    def all(self) -> Writes:
        return torch.cat(self._parts) if self._block is None else self._block[: self._filled]
