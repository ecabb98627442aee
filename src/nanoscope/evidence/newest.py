"""Of results that came together in one folder, those that a report shows: the newest of each model and experiment.

A model is a checkpoint. Results on one checkpoint belong together, whatever label each was given. Where one label was given to
several checkpoints, as when a model is trained again in the same place, the newest checkpoint is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nanoscope.evidence.result import Result


@dataclass(frozen=True)
class Chosen:
    """The results to show, and those left aside because a newer one, or one of a newer checkpoint, is shown."""

    shown: tuple[Result, ...]
    older: tuple[Result, ...] = ()
    of_older_checkpoints: tuple[Result, ...] = ()


def newest(results: Iterable[Result]) -> Chosen:
    """Choose by the time at which each was stored. Results without findings are for other experiments to read."""
    told = relabelled([result for result in results if result.findings])
    current = [result for result in told if _is_current(result, told)]
    shown = {_latest(_rivals(result, current)).key for result in current}
    return Chosen(
        tuple(result for result in current if result.key in shown),
        tuple(result for result in current if result.key not in shown),
        tuple(result for result in told if not _is_current(result, told)),
    )


def relabelled(results: list[Result]) -> list[Result]:
    """The same results; those on one checkpoint all get the label and the role of the newest of them."""
    same = [[other for other in results if _checkpoint(other) == _checkpoint(result)] for result in results]
    return [
        _named_as(result, _latest(alike)) if _checkpoint(result) else result
        for result, alike in zip(results, same, strict=True)
    ]


def stored_at(result: Result) -> str:
    """When it was stored, in UTC: with the time, or only the date if an earlier version stored it."""
    return str(result.provenance.get("time", result.provenance["date"]))


def _latest(results: list[Result]) -> Result:
    return max(results, key=lambda result: (stored_at(result), result.identity["version"], result.key))


def _rivals(result: Result, results: list[Result]) -> list[Result]:
    """The results of the same experiment on the same label, itself included."""
    what = (result.experiment, result.subject.label)
    return [other for other in results if (other.experiment, other.subject.label) == what]


def _is_current(result: Result, results: list[Result]) -> bool:
    """Whether it is about the newest checkpoint of its label. A comparison of a training's checkpoints is, if the training is
    the one of that checkpoint."""
    on_checkpoints = [other for other in results if other.subject.label == result.subject.label and _checkpoint(other)]
    if not on_checkpoints:
        return True
    latest = _latest(on_checkpoints)
    if _checkpoint(result) is None:
        return result.subject.training == latest.subject.training
    return _checkpoint(result) == _checkpoint(latest)


def _checkpoint(result: Result) -> str | None:
    """The checksum of the model's weights; None for a comparison of several."""
    return result.identity.get("checkpoint") or None


def _named_as(result: Result, other: Result) -> Result:
    if (result.subject.label, result.subject.role) == (other.subject.label, other.subject.role):
        return result
    return replace(result, subject=replace(result.subject, label=other.subject.label, role=other.subject.role))
