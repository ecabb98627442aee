"""Universality of features: one dictionary of every training, and what a feature of the first does in the others.

Beside the other trainings stand the most that can be expected, a second dictionary of the same model, and what the text alone
makes alike, a dictionary of an untrained model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanoscope.analysis.features.active import active_over
from nanoscope.analysis.features.partners import Halves, alike
from nanoscope.dictionaries.coder import Shape
from nanoscope.dictionaries.source import Source
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import dictionary_fits
from nanoscope.experiments.dictionary_fits import Fit, Reading, restored
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.measuring import Sweeps, Told
from nanoscope.experiments.universality.setting import Params, twin_names
from nanoscope.model.gpt import GPT, untrained
from nanoscope.text.windows import Windows, windows

OWN, AGAIN, UNTRAINED = "dictionary", "a second dictionary of this model", "an untrained model"
LEAST = 10
"""Characters of each half on which a feature must be active to be counted."""


def require_features(subject: Subject, params: Params) -> None:
    """NanoscopeError for a dictionary that cannot be, or a text too short to choose partners and judge them."""
    Shape("topk", *_source(subject).widths(subject.checkpoint.model), params.latents, params.k)
    _halves(subject, params)


def dictionaries(subject: Subject, params: Params, folder: Path, told: Told) -> Sweeps:
    """One dictionary of each model, and a second of the first; they differ in the model or in their first weights alone."""
    found, models = {}, _models(subject, params)
    source = _source(subject)
    for done, (name, model) in enumerate(models.items()):
        again = {AGAIN: 1} if name == OWN else {}
        wanted = {
            one: Fit(source, params.latents, params.k, params.seed + more) for one, more in ({name: 0} | again).items()
        }
        reading = Reading(subject, model, params.tokens, params.seed)
        found |= dictionary_fits.trained(
            reading, wanted, folder, lambda share, done=done: told((done + share) / len(models))
        )
    return found


def features(subject: Subject, params: Params, before: Sweeps) -> Sweeps:
    """`[against, feature]`: how alike each counted feature is to its partner in each other dictionary."""
    models = _models(subject, params) | {AGAIN: subject.checkpoint.model}
    halves = _halves(subject, params)

    def seen(name: str) -> Halves:
        coder = restored(before, name, params.k)
        return Halves(*(active_over(models[name], _source(subject), coder, half) for half in halves))

    mine, others = seen(OWN), [name for name in models if name != OWN]
    counted = np.min([np.bincount(half.latent, minlength=half.latents) for half in mine], axis=0) >= LEAST
    found = np.stack([alike(mine, seen(name))[counted] for name in others])
    return {
        "features": Sweep(found.astype(np.float16), ("against", "feature"), "correlation", {"against": tuple(others)})
    }


def _models(subject: Subject, params: Params) -> dict[str, GPT]:
    twins = dict(zip(twin_names(subject), (twin.model for twin in subject.twins), strict=True))
    model = subject.checkpoint.model
    return {OWN: model, **twins, UNTRAINED: untrained(model, "untrained model", params.seed)}


def _source(subject: Subject) -> Source:
    """The residual stream after the middle layer."""
    return Source.named(f"resid_post.{subject.checkpoint.model.config.n_layer // 2}")


def _halves(subject: Subject, params: Params) -> tuple[Windows, Windows]:
    """Windows of both halves of the validation text."""
    text = subject.checkpoint.encode(subject.corpus.val)
    context, each = subject.checkpoint.model.config.block_size, params.compared // 2
    first, second = (
        windows(part, context, each, subject.start) for part in (text[: len(text) // 2], text[len(text) // 2 :])
    )
    return first, second
