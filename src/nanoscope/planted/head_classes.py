"""A model with one head of each of eleven classes, in nanoGPT's shape: the known answer for the whole of experiment 02.

Two attention-only layers with layer norm and a tied head, built as `planted.induction` is: one-hot blocks for the token, the
position and, written by L0H0, the previous token; coordinate c is stored as +1 at c and -1 at half + c. So heads of the
second layer can be told by what stands before a key: an induction head, and one that looks for a word's first character.

Each channel of a head multiplies one feature of the query by one of the key, and a score is the sum of its channels.
Classes are named as in `nanoscope.analysis.attention.classes`; source: nanoscope's own, after methods.md 9.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.files import sha256
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.text.vocabulary import Vocabulary

PLACED: Mapping[tuple[int, int], str | None] = {
    (0, 0): "previous token",
    (0, 1): "3 back",
    (0, 2): "current token",
    (0, 3): "first token",
    (0, 4): "same character",
    (0, 5): "newline",
    (1, 0): "induction",
    (1, 1): "last space",
    (1, 2): "word start",
    (1, 3): "space",
    (1, 4): "punctuation",
    (1, 5): None,
}
"""The class of every head; the last one attends evenly to all it sees, and is in none."""

SETS = {"newline": "\n", "space": " ", "punctuation": ".,;:!?'\"-()[]&$", "whitespace": " \n"}
BACK = {"previous token": 1, "3 back": 3, "current token": 0}
RECENCY, FEATURE = 0.25, 24.0
"""What a step towards the query, and a feature of the key, add to a score, in units of the sharpness."""
LONGEST = int(FEATURE / RECENCY)
"""In a longer context, steps would outweigh features."""


def planted_taxonomy(vocabulary: Vocabulary, context: int = 48, sharpness: float = 40.0) -> Checkpoint:
    """The model over the symbols of a vocabulary. Only the previous-token head writes anything.

    NanoscopeError for a context above 96, or a vocabulary without newline, space and punctuation.
    """
    if not 8 <= context <= LONGEST or not all(set(SETS[name]) & set(vocabulary.symbols) for name in SETS):
        raise NanoscopeError(
            f"heads of all classes are planted in contexts of 8 to {LONGEST} characters, over symbols with newline, space "
            "and punctuation among them"
        )
    at = _Layout(vocabulary, context)
    heads = 1 + max(head for _, head in PLACED)
    width = max(math.ceil(2 * at.half / heads), at.symbols + context)
    config = GPTConfig(
        n_layer=2,
        n_head=heads,
        n_embd=heads * width,
        block_size=context,
        vocab_size=at.symbols,
        attention_only=True,
    )
    model = GPT(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if ".ln_" in name else 0.0)
    for table, columns in ((model.wte.weight, at.tok), (model.wpe.weight, at.pos)):
        table[torch.arange(len(columns)), columns] = 1.0
        table[torch.arange(len(columns)), at.half + columns] = -1.0
    for (layer, head), cls in PLACED.items():
        _look(_scores(model, layer, head, sharpness), at, cls)
    _write_previous(model, at)
    weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    return Checkpoint(model, vocabulary, None, {"planted": "taxonomy", "sharpness": sharpness}, sha256(weights))


@dataclass(frozen=True)
class _Layout:
    """Where each one-hot block lies in the residual stream."""

    vocabulary: Vocabulary
    context: int

    @property
    def symbols(self) -> int:
        return len(self.vocabulary)

    @property
    def half(self) -> int:
        return 2 * self.symbols + self.context

    @property
    def tok(self) -> Tensor:
        return torch.arange(self.symbols)

    @property
    def pos(self) -> Tensor:
        return self.symbols + torch.arange(self.context)

    @property
    def prv(self) -> Tensor:
        return self.symbols + self.context + torch.arange(self.symbols)

    def among(self, characters: str) -> Tensor:
        return torch.tensor([n for n, symbol in enumerate(self.vocabulary.symbols) if symbol in characters])

    @property
    def letters(self) -> Tensor:
        """Which symbols go on with a word: letters and the apostrophe."""
        return torch.tensor([symbol.isalpha() or symbol == "'" for symbol in self.vocabulary.symbols])


@dataclass(frozen=True)
class _Scores:
    """One head's W_Q and W_K, views `[d_model, d_head]`. A set coordinate of the normalised stream counts 1."""

    w_q: Tensor
    w_k: Tensor
    unit: float
    strength: float

    def add(self, channels: Tensor | int, query: Tensor, key: Tensor, weight: Tensor | float = 1.0) -> None:
        """`weight` where the query's coordinate and the key's are both set, channel by channel."""
        self.w_q[query, channels] = self.unit * self.strength
        self.w_k[key, channels] = torch.as_tensor(weight * self.unit)

    def not_itself(self, at: _Layout, first: int, weight: float) -> None:
        """Take `weight` away where query and key are the same position."""
        self.add(first + torch.arange(at.context), at.pos, at.pos, -weight)


def _scores(model: GPT, layer: int, head: int, sharpness: float) -> _Scores:
    """The norm is undone: two blocks of the stream are set in the first layer, three in the second."""
    attn = model.blocks[layer].attn
    return _Scores(
        attn.W_Q[head], attn.W_K[head], math.sqrt((4, 6)[layer] / model.config.n_embd), sharpness / attn.scale
    )


def _look(scores: _Scores, at: _Layout, cls: str | None) -> None:
    """Write a class's queries and keys."""
    recency = RECENCY * torch.arange(at.context)
    if cls in BACK:
        scores.add(torch.arange(BACK[cls], at.context), at.pos[BACK[cls] :], at.pos[: at.context - BACK[cls]])
    elif cls == "first token":
        scores.add(0, at.pos, at.pos[:1])
    elif cls in SETS:
        scores.add(0, at.pos, at.among(SETS[cls]))
        scores.not_itself(at, 1, 1.0)
    elif cls == "same character":
        scores.add(at.tok, at.tok, at.tok)
        scores.not_itself(at, at.symbols, 1.0)
    elif cls == "induction":
        scores.add(at.tok, at.tok, at.prv)
    elif cls == "last space":
        scores.add(0, at.pos, at.among(SETS["whitespace"]), FEATURE)
        scores.add(1, at.pos, at.pos, recency)
        scores.not_itself(at, 2, FEATURE)
    elif cls == "word start":
        scores.add(0, at.pos, at.tok[at.letters], FEATURE)
        scores.add(1, at.pos, at.prv[~at.letters], FEATURE)
        scores.add(2, at.pos, at.pos, recency)


def _write_previous(model: GPT, at: _Layout) -> None:
    """L0H0 copies the token that it attends to into the block of previous tokens."""
    attn = model.blocks[0].attn
    w_v, w_o = attn.W_V[0], attn.W_O[0]
    w_v[at.tok, at.tok] = math.sqrt(4 / model.config.n_embd)
    w_o[at.tok, at.prv] = 1.0
    w_o[at.tok, at.half + at.prv] = -1.0
