"""The tuned lens: a learned affine translation of each layer's residual stream into the last layer's basis.

h' = h + h A_l + b_l, then the model's own norm and unembedding; A and b start at zero, which is the logit lens exactly.
Adam, with a rate that decays to zero, minimises KL(model || lens) per layer. The best translation on held-out text is
kept, layer by layer, so there a tuned lens is never worse than the logit lens. The last layer has no translation.

Source: Belrose et al. 2023; docs/methods/lenses.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import residual_streams, run
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks import metrics
from nanoscope.text.windows import at_a_time, batches

CHUNK = 16
PART = 8192
MANY = 512
"""Symbols of a vocabulary up to which the amounts of text are as asked: all outputs on it are kept in memory."""


@dataclass(frozen=True)
class Translation:
    """An affine map for each reading but the last: `weights [layer, d_model, d_model]`, `biases [layer, d_model]`."""

    weights: Tensor
    biases: Tensor

    def __call__(self, streams: Float[Tensor, "reading *any d_model"]) -> Float[Tensor, "reading *any d_model"]:
        """The streams in the last layer's basis."""
        inner = streams[:-1].flatten(1, -2)
        translated = torch.baddbmm(inner + self.biases[:, None], inner, self.weights)
        return torch.cat([translated.view_as(streams[:-1]), streams[-1:]])

    def lens(self, model: GPT) -> Callable[[Tensor], Tensor]:
        """The lens: residual streams to logits."""
        return lambda streams: model.unembed(self(streams))


@dataclass(frozen=True)
class Residuals:
    """Residual streams of some tokens before each layer, and the log-probabilities that a lens should predict from them."""

    streams: Float[Tensor, "layer token d_model"]
    target: Float[Tensor, "token vocab"]


@dataclass(frozen=True)
class Settings:
    """How a translation is fitted. `batch` counts tokens."""

    steps: int = 300
    batch: int = 4096
    rate: float = 1e-3
    every: int = 25
    """Steps between evaluations on the held-out text."""
    patience: int = 3
    """Stop after this many evaluations without an improvement in any layer."""


@dataclass(frozen=True)
class Fit:
    """A translation, and the course of the held-out KL that selected it: `[look, layer]`, nats, labelled by step."""

    translation: Translation
    course: Sweep


def identity(model: GPT) -> Translation:
    """The translation that changes nothing: the logit lens."""
    layers, width = model.config.n_layer, model.config.n_embd
    like = {"dtype": model.wte.weight.dtype, "device": model.device}
    return Translation(torch.zeros(layers, width, width, **like), torch.zeros(layers, width, **like))


def affordable(tokens: int, symbols: int) -> int:
    """A number of tokens, lowered for a vocabulary of more than `MANY` symbols."""
    return max(min(64, tokens), tokens * MANY // max(MANY, symbols))


def collect(model: GPT, tokens: Int[Tensor, "window pos"]) -> Residuals:
    """A model's residual streams and outputs on some windows; takes layers x tokens x d_model numbers of memory."""
    layers, width, count = model.config.n_layer, model.config.n_embd, tokens.numel()
    streams = torch.empty(layers, count, width, dtype=model.wte.weight.dtype, device=model.device)
    for some in batches(len(tokens), CHUNK):
        part = residual_streams(model, tokens[some])[:-1].flatten(1, 2)
        streams[:, some.start * tokens.shape[1] :][:, : part.shape[1]] = part
    return Residuals(streams, outputs(model, tokens))


def outputs(model: GPT, tokens: Int[Tensor, "window pos"]) -> Float[Tensor, "token vocab"]:
    """A model's log-probabilities on some windows."""
    parts = tokens.split(at_a_time(CHUNK, tokens.shape[1], model.config.vocab_size))
    return torch.cat([metrics.log_probs(run(model, part).logits.float()).flatten(0, 1) for part in parts])


def fit(model: GPT, train: Residuals, held_out: Residuals, settings: Settings, *labels: object) -> Fit:
    """Fit a translation for a model's unembedding; `labels` seed the random choice of tokens."""
    generator = torch.Generator().manual_seed(seed_for("tuned lens", *labels))
    now = identity(model)
    parameters = [now.weights.requires_grad_(), now.biases.requires_grad_()]
    optimizer = torch.optim.Adam(parameters, lr=settings.rate)
    best, course, waited = _copy(now), [kl(model, now, held_out).mean(-1)], 0
    lowest = course[0]
    while waited < settings.patience and len(course) <= settings.steps // settings.every:
        done = (len(course) - 1) * settings.every
        for step in range(done, done + settings.every):
            optimizer.param_groups[0]["lr"] = settings.rate * (1 - step / settings.steps)
            rows = torch.randint(train.streams.shape[1], (settings.batch,), generator=generator).to(model.device)
            _step(model, now, train, rows, optimizer)
        course.append(kl(model, now, held_out).mean(-1))
        better = course[-1] < lowest
        best, lowest = _where(better, now, best), torch.where(better, course[-1], lowest)
        waited = 0 if bool(better.any()) else waited + 1
    values = torch.stack(course).double().cpu().numpy()
    return Fit(
        best, Sweep(values, ("look", "layer"), "nats", {"look": tuple(settings.every * n for n in range(len(course)))})
    )


def kl(model: GPT, translation: Translation, text: Residuals) -> Float[Tensor, "layer token"]:
    """KL(target || lens) of each layer at every token, nats."""
    part = at_a_time(PART, model.config.n_layer, model.config.vocab_size)
    rows = torch.arange(len(text.target), device=model.device).split(part)
    with torch.no_grad():
        return torch.cat([_kl(model, translation, text, some) for some in rows], dim=1)


def _step(model: GPT, now: Translation, train: Residuals, rows: Tensor, optimizer: torch.optim.Optimizer) -> None:
    with torch.enable_grad():
        loss = _kl(model, now, train, rows).mean(-1).sum()
        gradients = torch.autograd.grad(loss, [now.weights, now.biases])
    now.weights.grad, now.biases.grad = gradients
    optimizer.step()


def _kl(model: GPT, translation: Translation, text: Residuals, rows: Tensor) -> Float[Tensor, "layer row"]:
    target = text.target[rows]
    inner = text.streams[:, rows]
    translated = torch.baddbmm(inner + translation.biases[:, None], inner, translation.weights)
    log_probs = metrics.log_probs(model.unembed(translated).float())
    return (target.exp() * (target - log_probs)).sum(-1)


def _copy(now: Translation) -> Translation:
    return Translation(now.weights.detach().clone(), now.biases.detach().clone())


def _where(better: Tensor, now: Translation, best: Translation) -> Translation:
    """Layer by layer: `now` where it is better, `best` elsewhere."""
    weights = torch.where(better[:, None, None], now.weights.detach(), best.weights)
    return Translation(weights, torch.where(better[:, None], now.biases.detach(), best.biases))
