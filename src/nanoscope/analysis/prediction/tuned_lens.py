"""The tuned lens: a learned affine translation of each layer's residual stream into the last layer's basis.

h' = h + h A_l + b_l, then the model's own norm and unembedding; A and b start at zero, which is the logit lens exactly.
Adam minimises KL(model || lens) per layer until the KL on held-out text stops falling: where it has not for some looks, the
rate is cut to a third, and at the smallest rate the fit ends. The best translation on held-out text is kept, layer by layer,
so there a tuned lens is never worse than the logit lens. The last layer has no translation.

Source: Belrose et al. 2023; docs/methods/lenses.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import residual_streams
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.seeds import seed_for
from nanoscope.tasks import metrics
from nanoscope.text.windows import at_a_time, batches

CHUNK = 16
PART = 8192
MANY = 512
"""Symbols of a vocabulary up to which a step takes as many tokens as asked: the work of a step grows with the symbols."""
NUMBERS = 2**28
"""The most numbers of residual streams that are kept for a fit: a gigabyte in single precision."""
LEAST_FALL = 0.005
"""A look at the held-out KL that lies less than this share below the lowest so far (mean over layers) is no fall."""
CUT, CUTS = 1 / 3, 2
"""What the rate is multiplied by where the KL has stopped falling, and how often before the fit ends."""


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
class Settings:
    """How a translation is fitted. `batch` counts tokens."""

    steps: int = 600
    """The most steps."""
    batch: int = 4096
    rate: float = 3e-3
    every: int = 25
    """Steps between looks at the held-out text."""
    patience: int = 2
    """Looks without a fall (`LEAST_FALL`) after which the rate is cut, or the fit ends."""


@dataclass(frozen=True)
class Fit:
    """A translation, the course of the held-out KL that selected it, and how the fit ended."""

    translation: Translation
    course: Sweep
    """`[look, layer]`, nats, labelled by step: the last look is at the last step."""
    stopped: bool
    """Whether the held-out KL had stopped falling; else the steps were used up."""

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return int(self.course.labels("look")[-1])


def identity(model: GPT) -> Translation:
    """The translation that changes nothing: the logit lens."""
    layers, width = model.config.n_layer, model.config.n_embd
    like = {"dtype": model.wte.weight.dtype, "device": model.device}
    return Translation(torch.zeros(layers, width, width, **like), torch.zeros(layers, width, **like))


def affordable(tokens: int, symbols: int) -> int:
    """A number of tokens, lowered for a vocabulary of more than `MANY` symbols."""
    return max(min(64, tokens), tokens * MANY // max(MANY, symbols))


def room_for(model: GPT) -> int:
    """The most tokens whose residual streams are kept for a fit."""
    return max(1, NUMBERS // ((1 + model.config.n_layer) * model.config.n_embd))


def collect(
    model: GPT, tokens: Int[Tensor, "window pos"], progress: Progress = silent
) -> Float[Tensor, "reading token d_model"]:
    """A model's residual streams on some windows, the last reading included: what a fit learns from."""
    readings, width, count = 1 + model.config.n_layer, model.config.n_embd, tokens.numel()
    streams = torch.empty(readings, count, width, dtype=model.wte.weight.dtype, device=model.device)
    for some in batches(len(tokens), CHUNK):
        progress("running the model over the text", some.start, len(tokens))
        part = residual_streams(model, tokens[some]).flatten(1, 2)
        streams[:, some.start * tokens.shape[1] :][:, : part.shape[1]] = part
    return streams


def fit(
    model: GPT, train: Tensor, held_out: Tensor, settings: Settings, *labels: object, progress: Progress = silent
) -> Fit:
    """Fit a translation for a model's unembedding to collected streams; `labels` seed the random choice of tokens."""
    generator = torch.Generator().manual_seed(seed_for("tuned lens", *labels))
    now = identity(model)
    best, lowest = _copy(now), kl(model, now, held_out).mean(-1)
    optimizer = torch.optim.Adam([now.weights.requires_grad_(), now.biases.requires_grad_()], lr=settings.rate)
    looks, steps, cut = [lowest], [0], 0
    while cut <= CUTS and steps[-1] < settings.steps:
        optimizer.param_groups[0]["lr"] = settings.rate * CUT**cut
        steps.append(min(steps[-1] + settings.every, settings.steps))
        for step in range(steps[-2], steps[-1]):
            progress("fitting the tuned lens", step, settings.steps)
            rows = torch.randint(train.shape[1], (settings.batch,), generator=generator).to(model.device)
            _step(model, now, train, rows, optimizer)
        looks.append(kl(model, now, held_out).mean(-1))
        best, lowest = _where(looks[-1] < lowest, now, best), torch.minimum(lowest, looks[-1])
        cut = cuts(_course(looks), settings.patience)
    return Fit(best, Sweep(_course(looks), ("look", "layer"), "nats", {"look": tuple(steps)}), cut > CUTS)


def _course(looks: list[Tensor]) -> Float[np.ndarray, "look layer"]:
    return torch.stack(looks).double().cpu().numpy()


def cuts(course: Float[np.ndarray, "look layer"], patience: int) -> int:
    """How often the held-out KL has stopped falling: each time after `patience` looks without a fall. A fall is a mean over
    layers of each layer's own, so that small KLs count like large ones."""
    lowest = np.minimum.accumulate(course)
    left = np.divide(lowest[1:], lowest[:-1], out=np.ones_like(lowest[1:]), where=lowest[:-1] > 0).mean(1)
    waited = found = 0
    for fell in left < 1 - LEAST_FALL:
        waited = 0 if fell else waited + 1
        if waited == patience:
            waited, found = 0, found + 1
    return found


def kl(model: GPT, translation: Translation, streams: Tensor) -> Float[Tensor, "layer token"]:
    """KL(model || lens) of each layer at every token of collected streams, nats."""
    part = at_a_time(PART, model.config.n_layer, model.config.vocab_size)
    rows = torch.arange(streams.shape[1], device=model.device).split(part)
    with torch.no_grad():
        return torch.cat([_kl(model, translation, streams[:, some]) for some in rows], dim=1)


def _step(model: GPT, now: Translation, train: Tensor, rows: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step on some tokens, a few at a time where symbols are many."""
    now.weights.grad, now.biases.grad = torch.zeros_like(now.weights), torch.zeros_like(now.biases)
    for some in rows.split(at_a_time(len(rows), model.config.n_layer, model.config.vocab_size)):
        with torch.enable_grad():
            loss = _kl(model, now, train[:, some]).sum() / len(rows)
            gradients = torch.autograd.grad(loss, [now.weights, now.biases])
        now.weights.grad += gradients[0]
        now.biases.grad += gradients[1]
    optimizer.step()


def _kl(model: GPT, translation: Translation, streams: Tensor) -> Float[Tensor, "layer row"]:
    with torch.no_grad():
        target = metrics.log_probs(model.unembed(streams[-1]).float())
    inner = streams[:-1]
    translated = torch.baddbmm(inner + translation.biases[:, None], inner, translation.weights)
    log_probs = metrics.log_probs(model.unembed(translated).float())
    return (target.exp() * (target - log_probs)).sum(-1)


def _copy(now: Translation) -> Translation:
    return Translation(now.weights.detach().clone(), now.biases.detach().clone())


def _where(better: Tensor, now: Translation, best: Translation) -> Translation:
    """Layer by layer: `now` where it is better, `best` elsewhere."""
    weights = torch.where(better[:, None, None], now.weights.detach(), best.weights)
    return Translation(weights, torch.where(better[:, None], now.biases.detach(), best.biases))
