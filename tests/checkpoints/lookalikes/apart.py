"""Queries, keys and values in maps of their own, with the habits of many notebooks: other names, gamma and beta, narrow MLPs,
stored sinusoids, biases here and there, embeddings times the root of their width."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, WIDTH, LookAlike, causal, randomised, sinusoids


class GammaBeta(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        spread = x.var(-1, keepdim=True, unbiased=False)
        return self.gamma * (x - x.mean(-1, keepdim=True)) / torch.sqrt(spread + 1e-5) + self.beta


class Attention(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.W_query = nn.Linear(WIDTH, WIDTH, bias=bias)
        self.W_key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.W_value = nn.Linear(WIDTH, WIDTH, bias=bias)
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("mask", causal(CONTEXT))

    def forward(self, x: Tensor) -> Tensor:
        batch, size, _ = x.shape
        q, k, v = (m(x).view(batch, size, HEADS, -1).transpose(1, 2) for m in (self.W_query, self.W_key, self.W_value))
        scores = (q @ k.transpose(2, 3)).masked_fill(self.mask[:size, :size], -torch.inf)
        weights = torch.softmax(scores / k.shape[-1] ** 0.5, dim=-1)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(batch, size, WIDTH))


class TransformerBlock(nn.Module):
    def __init__(self, inner: int, bias: bool, act: type[nn.Module]) -> None:
        super().__init__()
        self.att = Attention(bias)
        self.ff = nn.ModuleDict({"layers": nn.Sequential(nn.Linear(WIDTH, inner), act(), nn.Linear(inner, WIDTH))})
        self.norm1, self.norm2 = GammaBeta(), GammaBeta()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.att(self.norm1(x))
        return x + self.ff["layers"](self.norm2(x))


class GPTModel(nn.Module):
    def __init__(
        self, inner: int, bias: bool, act: type[nn.Module], scaled: bool = False, stored: bool = False
    ) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(VOCAB, WIDTH)
        if stored:
            self.register_buffer("pe", sinusoids(50, WIDTH)[None])
        else:
            self.pos_emb = nn.Embedding(CONTEXT, WIDTH)
        self.trf_blocks = nn.Sequential(*(TransformerBlock(inner, bias, act) for _ in range(LAYERS)))
        self.final_norm = GammaBeta()
        self.out_head = nn.Linear(WIDTH, VOCAB, bias=False)
        self.scale = math.sqrt(WIDTH) if scaled else 1.0

    def forward(self, tokens: Tensor) -> Tensor:
        size = tokens.shape[1]
        positions = self.pe[0, :size] if hasattr(self, "pe") else self.pos_emb(torch.arange(size))
        return self.out_head(self.final_norm(self.trf_blocks(self.tok_emb(tokens) * self.scale + positions)))


SAID = {"norm_position": "pre", "attention_scale": "d_head", "final_norm": True, "embedding_scale": "none"}


def gamma_and_beta() -> LookAlike:
    """The number of heads in a table `cfg` under another name, the activation unsaid, d_mlp = 2 d."""
    model = randomised(GPTModel(2 * WIDTH, True, nn.ReLU))
    content = {"model_state_dict": model.state_dict(), "cfg": {"n_heads": HEADS, "emb_dim": WIDTH, "qkv_bias": True}}
    config = {"n_inner": 2 * WIDTH, "n_head": HEADS, "bias": True, "tied_head": False}
    return LookAlike(model, content, SAID | {"activation": "relu"}, config)


def scaled_embedding() -> LookAlike:
    """Stored sinusoids longer than the context, embeddings times the root of d_model."""
    model = randomised(GPTModel(4 * WIDTH, False, nn.SiLU, scaled=True, stored=True))
    content = {
        "state_dict": model.state_dict(),
        "hparams": {"num_heads": HEADS, "activation": "swish", "context_length": CONTEXT},
    }
    return LookAlike(
        model, content, SAID | {"embedding_scale": "sqrt_d_model"},
        {"block_size": CONTEXT, "positions": "learned", "activation": "silu", "n_inner": None}, ("folded into the table",),
    )  # fmt: skip


class OldAttention(nn.Module):
    """minGPT of 2020."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("key", "query", "value", "proj"):
            setattr(self, name, nn.Linear(WIDTH, WIDTH))
        self.register_buffer("mask", torch.tril(torch.ones(CONTEXT, CONTEXT)).view(1, 1, CONTEXT, CONTEXT))

    def forward(self, x: Tensor) -> Tensor:
        batch, size, _ = x.shape
        q, k, v = (m(x).view(batch, size, HEADS, -1).transpose(1, 2) for m in (self.query, self.key, self.value))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = F.softmax(att.masked_fill(self.mask[:, :, :size, :size] == 0, float("-inf")), dim=-1)
        return self.proj((att @ v).transpose(1, 2).contiguous().view(batch, size, WIDTH))


class OldBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln1, self.ln2, self.attn = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), OldAttention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH), nn.Dropout(0.1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class OldMinGPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tok_emb, self.pos_emb = nn.Embedding(VOCAB, WIDTH), nn.Parameter(torch.zeros(1, CONTEXT, WIDTH))
        self.blocks = nn.Sequential(*(OldBlock() for _ in range(LAYERS)))
        self.in_f, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.in_f(self.blocks(self.tok_emb(tokens) + self.pos_emb[:, : tokens.shape[1]])))


def misnamed_norm() -> LookAlike:
    """Opens with the final norm's name mended: `rename={"in_f": "ln_f"}`."""
    model = randomised(OldMinGPT())
    return LookAlike(model, model.state_dict(), SAID | {"activation": "gelu", "n_head": HEADS}, {"activation": "gelu"})
