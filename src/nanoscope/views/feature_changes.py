"""Features of dictionaries changed while a model reads a text: silenced where they are active, or raised everywhere.

`D0F17` silences feature 17 of the first dictionary: its value becomes 0. `D0F17+2` raises it: twice its largest value over a
text is added at every position, and `D0F17-2` lowers it so. What a dictionary leaves unexplained stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nanoscope.analysis.features.effects import raised, silenced, silenced_on
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries.measure import model_of
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit
from nanoscope.model.gpt import GPT

FEATURE = re.compile(r"D(?P<dictionary>\d{1,3})F(?P<feature>\d{1,9})(?P<by>[+-]\d*\.?\d+)?", re.IGNORECASE)
STRONGEST = 100.0
"""The largest multiple by which a feature is raised or lowered."""


@dataclass(frozen=True)
class OpenDictionary:
    """A dictionary, and each feature's largest value over a text, which is asked for where a feature is raised."""

    dictionary: Dictionary
    largest: Callable[[], Float[ndarray, "latent"]]


@dataclass(frozen=True)
class FeatureChange:
    """A feature of a dictionary, and the multiple of its largest value that is added; None: it is silenced."""

    dictionary: int
    feature: int
    by: float | None

    @staticmethod
    def named(name: str) -> FeatureChange | None:
        """None for what names no feature. NanoscopeError for a multiple beyond -100 to 100."""
        found = FEATURE.fullmatch(name.strip())
        if found is None:
            return None
        by = None if found["by"] is None else float(found["by"])
        if by is not None and abs(by) > STRONGEST:
            raise NanoscopeError(
                f"{name!r}: a feature is raised by -{STRONGEST:g} to {STRONGEST:g} times its largest value"
            )
        return FeatureChange(int(found["dictionary"]), int(found["feature"]), by)


def feature_name(dictionary: int, feature: int) -> str:
    """Name of a feature, such as `D0F17`."""
    return f"D{dictionary}F{feature}"


def feature_edits(
    checkpoint: Checkpoint,
    tokens: Int[Tensor, "pos"],
    changes: Sequence[FeatureChange],
    opened: Sequence[OpenDictionary],
    before: Sequence[AnyEdit] = (),
) -> tuple[AnyEdit, ...]:
    """The edits that change features while the model reads tokens, with the edits `before` in force as well.

    Features of autoencoders are silenced in any run. A transcoder reads another activation than it writes, so there the values
    are those of these tokens. NanoscopeError for a dictionary or feature that there is not, one of another model, and a raised
    feature that is never active.
    """
    model = checkpoint.model
    for change in changes:
        _require(checkpoint, change, opened)
    off: dict[int, list[int]] = {}
    for change in changes:
        if change.by is None:
            off.setdefault(change.dictionary, []).append(change.feature)
    parts = {number: opened[number].dictionary for number in off}
    any_run = [silenced(model, d.source, d.coder, off[n]) for n, d in parts.items() if not d.source.transcoder]
    found = [*any_run, *(_raised(model, change, opened) for change in changes if change.by is not None)]
    of_text = sorted((n for n, d in parts.items() if d.source.transcoder), key=lambda n: parts[n].source.layer)
    for number in of_text:  # the lower ones first, since they change what the higher ones read
        source, coder = parts[number].source, parts[number].coder
        found.append(silenced_on(model, source, coder, off[number], tokens[None], [*before, *found]))
    return tuple(found)


def _require(checkpoint: Checkpoint, change: FeatureChange, opened: Sequence[OpenDictionary]) -> None:
    name = feature_name(change.dictionary, change.feature)
    if change.dictionary >= len(opened):
        raise NanoscopeError(
            f"{name}: {len(opened)} dictionaries are open, counted from 0; open one with --dictionary DIR"
        )
    dictionary = opened[change.dictionary].dictionary
    require_own(dictionary, checkpoint)
    latents = dictionary.coder.shape.latents
    if change.feature >= latents:
        raise NanoscopeError(f"{name}: there is no such feature; {dictionary} has 0..{latents - 1}")


def require_own(dictionary: Dictionary, checkpoint: Checkpoint) -> None:
    """NanoscopeError for a dictionary of another model than the checkpoint's, or of an untrained twin of it."""
    if model_of(dictionary, checkpoint) is not checkpoint.model:
        raise NanoscopeError(
            "the dictionary is of an untrained twin, which is never read here; give one of the model itself"
        )
    if dictionary.source.widths(checkpoint.model) != (dictionary.coder.shape.d_in, dictionary.coder.shape.d_out):
        raise NanoscopeError(
            f"the dictionary of {dictionary.source} does not fit this model; give one that was trained on it"
        )


def _raised(model: GPT, change: FeatureChange, opened: Sequence[OpenDictionary]) -> AnyEdit:
    of = opened[change.dictionary]
    largest = float(of.largest()[change.feature])
    if not largest:
        name = feature_name(change.dictionary, change.feature)
        raise NanoscopeError(f"{name} is never active on the text, so there is no size to raise it by")
    assert change.by is not None
    return raised(model, of.dictionary.source, of.dictionary.coder, change.feature, change.by * largest)
