"""The first and the last step of every hand-built model: weights that do nothing, and a checkpoint of the finished ones."""

from __future__ import annotations

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.files import sha256
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.text.tokenizer import Tokenizer


def blank(config: GPTConfig) -> GPT:
    """A model with norm gains of 1 and all other weights 0."""
    model = GPT(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if ".ln_" in name else 0.0)
    return model


def finished(model: GPT, vocabulary: Tokenizer | None, **built: object) -> Checkpoint:
    """The model as a checkpoint, which is named by the bytes of its weights."""
    weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    return Checkpoint(model, vocabulary, None, built, sha256(weights))
