"""HF transformers' GPT-2 and GPT-Neo, as their modules compute and name things."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookalikes import CONTEXT, HEADS, LAYERS, VOCAB, WIDTH, LookAlike, randomised


class Conv1D(nn.Module):
    def __init__(self, out: int, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(width, out)), nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class MLP(nn.Module):
    def __init__(self, linear: type[nn.Module] | None) -> None:
        super().__init__()
        self.c_fc = nn.Linear(WIDTH, 4 * WIDTH) if linear is None else linear(4 * WIDTH, WIDTH)
        self.c_proj = nn.Linear(4 * WIDTH, WIDTH) if linear is None else linear(WIDTH, 4 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        h = self.c_fc(x)
        return self.c_proj(0.5 * h * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (h + 0.044715 * h**3))))


def masks(module: nn.Module) -> None:
    mask = torch.tril(torch.ones(CONTEXT, CONTEXT, dtype=torch.uint8)).view(1, 1, CONTEXT, CONTEXT)
    module.register_buffer("bias", mask)
    module.register_buffer("masked_bias", torch.tensor(-1e4))


def mixed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    q, k, v = (one.unflatten(-1, (HEADS, -1)).transpose(1, 2) for one in (q, k, v))
    size = q.shape[2]
    scores = (q @ k.transpose(-1, -2) / scale).masked_fill(mask[:, :, :size, :size] == 0, torch.finfo(q.dtype).min)
    return (F.softmax(scores, dim=-1) @ v).transpose(1, 2).flatten(2)


class GPT2Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        masks(self)
        self.c_attn, self.c_proj = Conv1D(3 * WIDTH, WIDTH), Conv1D(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.c_attn(x).split(WIDTH, dim=2)
        return self.c_proj(mixed(q, k, v, self.bias, (WIDTH // HEADS) ** 0.5))


class NeoSelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        masks(self)
        for name in ("k_proj", "v_proj", "q_proj"):
            setattr(self, name, nn.Linear(WIDTH, WIDTH, bias=False))
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_proj(mixed(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.bias, 1.0))


class NeoAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = NeoSelfAttention()

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x)


class Block(nn.Module):
    def __init__(self, neo: bool) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn, self.mlp = NeoAttention() if neo else GPT2Attention(), MLP(None if neo else Conv1D)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Model(nn.Module):
    def __init__(self, neo: bool) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCAB, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.h = nn.ModuleList(Block(neo) for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


GPT2_CONFIG = {
    "activation_function": "gelu_new", "attn_pdrop": 0.1, "embd_pdrop": 0.1, "layer_norm_epsilon": 1e-05, "n_ctx": CONTEXT,
    "model_type": "gpt2", "n_embd": WIDTH, "n_head": HEADS, "n_inner": None, "n_layer": LAYERS, "n_positions": CONTEXT,
    "reorder_and_upcast_attn": False, "resid_pdrop": 0.1, "scale_attn_by_inverse_layer_idx": False,
    "scale_attn_weights": True, "summary_activation": None, "summary_first_dropout": 0.1, "summary_type": "cls_index",
    "summary_use_proj": True, "use_cache": True, "vocab_size": VOCAB,
}  # fmt: skip


def gpt2() -> LookAlike:
    model = randomised(Model(neo=False))
    state = {f"transformer.{name}": value for name, value in model.state_dict().items()}
    state["lm_head.weight"] = state["transformer.wte.weight"]
    return LookAlike(model, {"model": state, "config": GPT2_CONFIG}, {}, {"activation": "gelu_tanh", "tied_head": True})


def gpt2_without_prefix() -> LookAlike:
    """As the base model is saved, with a ReLU that its config says."""
    model = randomised(Model(neo=False))
    for block in model.h:
        block.mlp.forward = lambda x, mlp=block.mlp: mlp.c_proj(torch.relu(mlp.c_fc(x)))
    config = GPT2_CONFIG | {"activation_function": "relu"}
    return LookAlike(
        model, {"model": model.state_dict(), "config": config}, {}, {"activation": "relu", "n_head": HEADS}
    )


def gpt_neo() -> LookAlike:
    model = randomised(Model(neo=True))
    config = {
        "activation_function": "gelu_new", "attention_layers": ["global", "local"], "window_size": 8, "hidden_size": WIDTH,
        "attention_types": [[["global", "local"], 1]], "num_heads": HEADS, "num_layers": LAYERS, "intermediate_size": None,
        "max_position_embeddings": CONTEXT, "layer_norm_epsilon": 1e-05, "model_type": "gpt_neo", "vocab_size": VOCAB,
    }  # fmt: skip
    state = {f"transformer.{name}": value for name, value in model.state_dict().items()}
    return LookAlike(
        model,
        {"model": state, "config": config},
        {},
        {"attention_scale": "none", "block_size": 8},
        ("beyond 8 positions",),
    )
