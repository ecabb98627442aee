"""The lecture's GPT: separate heads with their masks, ReLU, a head with a bias; early copies divide by the root of d_model."""

import torch
from torch import Tensor, nn

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, WIDTH, LookAlike, randomised


class Head(nn.Module):
    def __init__(self, size: int, scale: int) -> None:
        super().__init__()
        self.key = nn.Linear(WIDTH, size, bias=False)
        self.query = nn.Linear(WIDTH, size, bias=False)
        self.value = nn.Linear(WIDTH, size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(CONTEXT, CONTEXT)))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[1]
        weights = self.query(x) @ self.key(x).transpose(-2, -1) * self.scale**-0.5
        weights = weights.masked_fill(self.tril[:size, :size] == 0, float("-inf")).softmax(-1)
        return weights @ self.value(x)


class ManyHeads(nn.Module):
    def __init__(self, scale: int, proj: bool) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Head(WIDTH // HEADS, scale) for _ in range(HEADS))
        if proj:
            self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        together = torch.cat([head(x) for head in self.heads], dim=-1)
        return self.proj(together) if hasattr(self, "proj") else together


class FeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH), nn.Dropout(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Block(nn.Module):
    def __init__(self, scale: int, proj: bool) -> None:
        super().__init__()
        self.sa, self.ffwd = ManyHeads(scale, proj), FeedForward()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.sa(self.ln1(x))
        return x + self.ffwd(self.ln2(x))


class BigramLanguageModel(nn.Module):
    def __init__(self, scale: int = WIDTH, proj: bool = True, final: bool = True) -> None:
        super().__init__()
        self.token_embedding_table = nn.Embedding(VOCAB, WIDTH)
        self.position_embedding_table = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block(scale, proj) for _ in range(LAYERS)))
        self.ln_f = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, VOCAB)
        self.final = final

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_embedding_table(tokens) + self.position_embedding_table(torch.arange(tokens.shape[1]))
        x = self.blocks(x)
        return self.lm_head(self.ln_f(x) if self.final else x)


USUAL = {"activation": "relu", "norm_position": "pre", "final_norm": True, "embedding_scale": "none"}


def early() -> LookAlike:
    model = randomised(BigramLanguageModel())
    config = {"n_head": HEADS, "bias": True, "tied_head": False, "head_bias": True, "activation": "relu"}
    return LookAlike(
        model, model.state_dict(), USUAL | {"attention_scale": "d_model"}, config | {"attention_scale": "d_model"},
        ("biases that it lacks are zeros",),
    )  # fmt: skip


def without_a_projection() -> LookAlike:
    """The copy that stops at `torch.cat`, in a dict with other things, from a compiled model."""
    model = randomised(BigramLanguageModel(WIDTH // HEADS, proj=False))
    state = {f"_orig_mod.{name}": value for name, value in model.state_dict().items()}
    return LookAlike(
        model, {"model_state_dict": state, "epoch": 3}, USUAL | {"attention_scale": "d_head"}, {"n_head": HEADS},
        ("it is the identity",),
    )  # fmt: skip


def final_norm_never_applied() -> LookAlike:
    model = randomised(BigramLanguageModel(WIDTH // HEADS, final=False))
    return LookAlike(
        model, {"model": model.state_dict()}, USUAL | {"attention_scale": "d_head", "final_norm": False},
        {"final_norm": False}, ("stored and never applied",),
    )  # fmt: skip
