"""The local replacement model of one text: MLPs as transcoder features and errors, patterns and norm scales held.

    mlp_out = sum_j f_j W_dec_j + b_dec + error          error: what the transcoder leaves unexplained, a constant

With the patterns and norm scales of the model's own run, everything between two active features is linear; with the errors the
model's activations and logits are reproduced exactly (Ameisen et al. 2025; for transcoders Dunefsky et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.dictionaries.coder import Coder
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.run import Cache, run
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Norm
from nanoscope.model.sites import mlp_reads

KEPT = ("embed", "pos_embed", "resid_pre", "pattern", "z", "mlp_out", "resid_post")


@dataclass(frozen=True)
class Features:
    """The active features of a text, in the order of layers and positions."""

    layer: Int[Tensor, "feature"]
    pos: Int[Tensor, "feature"]
    latent: Int[Tensor, "feature"]
    value: Float[Tensor, "feature"]

    def __len__(self) -> int:
        return len(self.layer)

    def in_layer(self, layer: int) -> Int[Tensor, "some"]:
        """The numbers of the features of one layer."""
        return (self.layer == layer).nonzero().flatten()


@dataclass(frozen=True)
class Local:
    """One text in a model whose MLPs have transcoders."""

    model: GPT = field(repr=False)
    coders: Mapping[int, Coder] = field(repr=False)
    tokens: Int[Tensor, "pos"]
    cache: Cache = field(repr=False)
    logits: Float[Tensor, "pos vocab"] = field(repr=False)
    features: Features
    errors: Float[Tensor, "layer pos d_model"] = field(repr=False)

    @property
    def embedding(self) -> Float[Tensor, "pos d_model"]:
        """What tokens and positions write."""
        return (self.cache["embed"] + self.cache["pos_embed"])[0]

    def read_by_mlp(self, layer: int) -> Float[Tensor, "pos d_model"]:
        """The residual stream that an MLP reads, before its norm."""
        return self.cache[mlp_reads(self.model.config), layer][0]

    def encoders(self, layer: int) -> Float[Tensor, "some d_model"]:
        """The encoder rows of the features of one layer."""
        return self.coders[layer].W_enc[self.features.latent[self.features.in_layer(layer)]]

    def decoders(self, layer: int) -> Float[Tensor, "some d_model"]:
        """What the features of one layer write at their values."""
        here = self.features.in_layer(layer)
        return self.features.value[here, None] * self.coders[layer].W_dec[self.features.latent[here]]


def local_model(model: GPT, coders: Mapping[int, Coder], tokens: Int[Tensor, "pos"]) -> Local:
    """The local replacement model of a text. NanoscopeError for a model without a sum of writes, or a missing transcoder."""
    graph_of(model.config)
    _check(model, coders)
    keep = {*KEPT, mlp_reads(model.config)}
    logits, cache = run(model, tokens[None], keep=keep)
    found, errors = [], []
    for layer, block in enumerate(model.blocks):
        assert block.ln_2 is not None
        x = arithmetic.norm_before(cache[mlp_reads(model.config), layer][0], block.ln_2)
        f = coders[layer].encode(x)
        pos, latent = f.nonzero(as_tuple=True)
        found.append((torch.full_like(pos, layer), pos, latent, f[pos, latent]))
        errors.append(cache["mlp_out", layer][0] - coders[layer].decode(f))
    features = Features(*(torch.cat(part) for part in zip(*found, strict=True)))
    return Local(model, coders, tokens, cache, logits[0], features, torch.stack(errors))


def _check(model: GPT, coders: Mapping[int, Coder]) -> None:
    if model.config.attention_only:
        raise NanoscopeError("the model is attention-only, so it has no MLPs to replace by transcoders")
    missing = [layer for layer in range(model.config.n_layer) if layer not in coders]
    if missing:
        raise NanoscopeError(
            f"a graph needs a transcoder of every MLP; missing: {', '.join(f'mlp.{n}' for n in missing)}"
        )
    width = model.config.n_embd
    if any((coder.shape.d_in, coder.shape.d_out) != (width, width) for coder in coders.values()):
        raise NanoscopeError(f"a transcoder has another width than the model's {width}; give those of this model")
    if any(coder.shape.skip for coder in coders.values()):
        raise NanoscopeError("a transcoder with a skip connection has paths that are no features; train it without")


# ---- what is linear --------------------------------------------------------------------------------------------------


def normed(
    parts: Float[Tensor, "*any d_model"], whole: Float[Tensor, "*#any d_model"], weights: Norm
) -> Float[Tensor, "*any d_model"]:
    """What parts of the stream contribute to what is read of the whole, at its scale and without the norm's bias."""
    return arithmetic.norm_frozen(parts, whole.expand_as(parts), weights)


def attended(local: Local, layer: int, stream: Float[Tensor, "part pos d_model"]) -> Float[Tensor, "part pos d_model"]:
    """What parts of the stream come to in the attention's output, through the patterns of this text; without constants."""
    return moved(local, layer, normed(stream, local.cache["resid_pre", layer][0], local.model.blocks[layer].ln_1))


def moved(local: Local, layer: int, read: Float[Tensor, "part pos d_model"]) -> Float[Tensor, "part pos d_model"]:
    """What attention makes of what it reads, through the patterns of this text; without constants."""
    block = local.model.blocks[layer]
    values = torch.einsum("ptd,hdk->phtk", read, block.attn.W_V)
    z = torch.einsum("hqt,phtk->pqhk", local.cache["pattern", layer][0], values)
    return torch.einsum("pqhk,hkd->pqd", z, block.attn.W_O)


def attention_constant(local: Local, layer: int) -> Float[Tensor, "d_model"]:
    """What biases alone come to in the attention's output: those of the norm, the values and the output."""
    block = local.model.blocks[layer]
    bias = block.ln_1.bias
    read = local.embedding.new_zeros(1, local.model.config.n_embd) if bias is None else bias[None]
    (value,) = arithmetic.qkv(read, block.attn, torch.zeros(1, dtype=torch.long), first=2)
    return arithmetic.out(value, block.attn)[0]


def replayed(
    local: Local, added: Float[Tensor, "part layer pos d_model"], norms_held: bool = True
) -> Float[Tensor, "vocab"]:
    """The logits at the last position in the local replacement model, with something added to what each attention (part 0)
    and each MLP (part 1) writes. The active features follow their inputs; nothing else becomes active. Norms that are not held
    take the scale of what they read, as the model's do."""
    model, stream = local.model, local.embedding
    for layer in range(model.config.n_layer):
        whole = local.cache["resid_pre", layer][0] if norms_held else stream
        moving = moved(local, layer, normed(stream, whole, model.blocks[layer].ln_1)[None])[0]
        middle = stream + moving + attention_constant(local, layer) + added[0, layer]
        read = stream if model.config.parallel else middle
        written = _mlp(local, layer, read, local.read_by_mlp(layer) if norms_held else read)
        stream = middle + written + added[1, layer]
    final = stream[-1:]
    if model.ln_f is not None:
        whole = local.cache["resid_post", model.config.n_layer - 1][0, -1:] if norms_held else final
        final = normed(final, whole, model.ln_f)
        final = final if model.ln_f.bias is None else final + model.ln_f.bias
    return model.lm_head(final)[0]


def _mlp(
    local: Local, layer: int, read: Float[Tensor, "pos d_model"], whole: Float[Tensor, "pos d_model"]
) -> Float[Tensor, "pos d_model"]:
    coder, here, norm = local.coders[layer], local.features.in_layer(layer), local.model.blocks[layer].ln_2
    assert norm is not None
    pos, latent = local.features.pos[here], local.features.latent[here]
    x = normed(read, whole, norm)
    x = x if norm.bias is None else x + norm.bias
    f = (x[pos] * coder.W_enc[latent]).sum(1) + coder.b_enc[latent]
    written = torch.zeros_like(read).index_add(0, pos, f[:, None] * coder.W_dec[latent])
    return written + coder.b_dec + local.errors[layer]


def steepest(local: Local, weights: Float[Tensor, "vocab"]) -> Float[Tensor, "part layer pos d_model"]:
    """The gradient of a sum of logits by what each attention (part 0) and each MLP (part 1) writes at every position."""
    shape = (2, local.model.config.n_layer, *local.embedding.shape)
    with torch.enable_grad():
        added = torch.zeros(shape, requires_grad=True)
        return torch.autograd.grad(replayed(local, added) @ weights, added)[0]
