"""Weights with an axis of heads: HookedTransformer, and toys in its names with the axes the other way round and no norms."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, WIDTH, LookAlike, randomised

SIZE = WIDTH // HEADS


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape))


class Named(nn.Module):
    """Holds parameters under given names."""

    def __init__(self, **parameters: nn.Parameter) -> None:
        super().__init__()
        for name, value in parameters.items():
            self.register_parameter(name, value)


class HookedBlock(nn.Module):
    def __init__(self, norms: bool) -> None:
        super().__init__()
        reads = {f"W_{one}": parameter(HEADS, WIDTH, SIZE) for one in "QKV"}
        biases = {f"b_{one}": parameter(HEADS, SIZE) for one in "QKV"}
        self.attn = Named(**reads, W_O=parameter(HEADS, SIZE, WIDTH), **biases, b_O=parameter(WIDTH))
        self.attn.register_buffer("mask", torch.tril(torch.ones(CONTEXT, CONTEXT)).bool())
        self.attn.register_buffer("IGNORE", torch.tensor(float("-inf")))
        maps = {"W_in": parameter(WIDTH, 2 * WIDTH), "W_out": parameter(2 * WIDTH, WIDTH)}
        self.mlp = Named(**maps, b_in=parameter(2 * WIDTH), b_out=parameter(WIDTH))
        if norms:
            self.ln1 = Named(w=nn.Parameter(torch.ones(WIDTH)), b=parameter(WIDTH))
            self.ln2 = Named(w=nn.Parameter(torch.ones(WIDTH)), b=parameter(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        a, m = self.attn, self.mlp
        y = normed(x, getattr(self, "ln1", None))
        q, k, v = (torch.einsum("bpm,hmd->bphd", y, w) + b for w, b in ((a.W_Q, a.b_Q), (a.W_K, a.b_K), (a.W_V, a.b_V)))
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / SIZE**0.5
        scores = torch.where(a.mask[: x.shape[1], : x.shape[1]], scores, a.IGNORE)
        x = x + torch.einsum("bhqk,bkhd,hdm->bqm", scores.softmax(-1), v, a.W_O) + a.b_O
        y = normed(x, getattr(self, "ln2", None))
        return x + F.relu(y @ m.W_in + m.b_in) @ m.W_out + m.b_out


def normed(x: Tensor, ln: nn.Module | None) -> Tensor:
    """LayerNormPre where the norm's weights were folded away."""
    return F.layer_norm(x, (WIDTH,), None if ln is None else ln.w, None if ln is None else ln.b)


class Hooked(nn.Module):
    def __init__(self, norms: bool) -> None:
        super().__init__()
        self.embed, self.pos_embed = Named(W_E=parameter(VOCAB, WIDTH)), Named(W_pos=parameter(CONTEXT, WIDTH))
        self.blocks = nn.ModuleList(HookedBlock(norms) for _ in range(LAYERS))
        if norms:
            self.ln_final = Named(w=nn.Parameter(torch.ones(WIDTH)), b=parameter(WIDTH))
        self.unembed = Named(W_U=parameter(WIDTH, VOCAB), b_U=parameter(VOCAB))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed.W_E[tokens] + self.pos_embed.W_pos[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return normed(x, getattr(self, "ln_final", None)) @ self.unembed.W_U + self.unembed.b_U


SAID = {"activation": "relu", "attention_scale": "d_head"}


def hooked() -> LookAlike:
    model = randomised(Hooked(norms=True))
    return LookAlike(model, model.state_dict(), SAID, {"n_head": HEADS, "norm": "layer", "n_inner": 48})


def folded() -> LookAlike:
    """LNPre: the norms have no weights any more, and the config says so."""
    model = randomised(Hooked(norms=False))
    content = {"state_dict": model.state_dict(), "cfg": {"normalization_type": "LNPre", "act_fn": "relu"}}
    return LookAlike(
        model,
        content,
        {"attention_scale": "d_head", "final_norm": True},
        {"norm": "layer", "final_norm": True, "bias": True},
    )


class ToyBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        reads = {f"W_{one}": parameter(HEADS, SIZE, WIDTH) for one in "KQV"}
        self.attn = Named(**reads, W_O=parameter(WIDTH, WIDTH))
        self.attn.register_buffer("mask", torch.tril(torch.ones(CONTEXT, CONTEXT)))
        maps = {"W_in": parameter(3 * WIDTH, WIDTH), "W_out": parameter(WIDTH, 3 * WIDTH)}
        self.mlp = Named(**maps, b_in=parameter(3 * WIDTH), b_out=parameter(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        a, m = self.attn, self.mlp
        k, q, v = (torch.einsum("ihd,bpd->biph", w, x) for w in (a.W_K, a.W_Q, a.W_V))
        scores = q @ k.mT / SIZE**0.5 - 1e10 * (1 - a.mask[: x.shape[1], : x.shape[1]])
        z = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + torch.einsum("df,bpf->bpd", a.W_O, z)
        return (
            x + torch.einsum("dm,bpm->bpd", m.W_out, F.relu(torch.einsum("md,bpd->bpm", m.W_in, x) + m.b_in)) + m.b_out
        )


class Toy(nn.Module):
    """The transformer of grokking experiments: no norms, every matrix as `[out, in]`, the embedding as `[d_model, vocab]`."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.pos_embed = Named(W_E=parameter(WIDTH, VOCAB)), Named(W_pos=parameter(CONTEXT, WIDTH))
        self.blocks = nn.ModuleList(ToyBlock() for _ in range(LAYERS))
        self.unembed = Named(W_U=parameter(WIDTH, VOCAB))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed.W_E[:, tokens].permute(1, 2, 0) + self.pos_embed.W_pos[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return x @ self.unembed.W_U


def toy() -> LookAlike:
    model = randomised(Toy())
    return LookAlike(
        model,
        {"model": model.state_dict()},
        SAID | {"norm": "none", "final_norm": False},
        {"norm": "none", "n_head": HEADS},
    )
