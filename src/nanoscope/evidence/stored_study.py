"""A study's folder: the results that a report is made of, and the paths of its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.effect import Effect, effects
from nanoscope.evidence.newest import Chosen, newest, stored_at
from nanoscope.evidence.result import Result, load_result, load_results
from nanoscope.evidence.subject import StoredSubject

ROLES = ("model", "control", "planted", "other data")
"""Roles of models that a report describes one by one. Models of a size range, and comparisons, are described together."""


@dataclass(frozen=True)
class Study:
    """The results that a report is made of. `name` is the study's preset, or None."""

    name: str | None
    results: tuple[Result, ...]
    left_aside: str = ""
    """Which results of the folder are not shown, and why; empty if all are."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The models' labels: the analysed ones first, then controls, the hand-built model, and models of other texts."""
        found = dict.fromkeys(r.subject.label for r in self.results if r.subject.role in ROLES)
        return tuple(sorted(found, key=lambda label: ROLES.index(self.role(label))))

    @property
    def shown(self) -> tuple[str, ...]:
        """The models described at length: in a preset study the first of each kind, whose other trainings are similar."""
        if self.name is None:
            return self.labels
        first = {self.role(label): label for label in reversed(self.labels)}
        described = {self.main, *(label for role, label in first.items() if role != "other data")}
        return tuple(label for label in self.labels if label in described)

    @property
    def main(self) -> str:
        """The model that the report is about; in a study of nothing but a comparison, its group."""
        return self.labels[0] if self.labels else self.results[0].subject.label

    @property
    def date(self) -> str:
        """The date of the newest result."""
        return max(str(result.provenance["date"]) for result in self.results)

    def subject(self, label: str) -> StoredSubject:
        return next(result.subject for result in self.results if result.subject.label == label)

    def role(self, label: str) -> str:
        return self.subject(label).role

    def with_role(self, role: str) -> tuple[str, ...]:
        return tuple(label for label in self.labels if self.role(label) == role)

    def compared(self, experiment: str) -> tuple[Result, ...]:
        """A comparison's results, one per group."""
        return tuple(r for r in self.results if r.experiment == experiment and r.subject.label not in self.labels)

    def result(self, label: str, experiment: str) -> Result | None:
        """One experiment's result on one model, or None if it was not run."""
        mine = [r for r in self.results if r.subject.label == label and r.experiment == experiment]
        return mine[0] if mine else None

    def main_result(self, experiment: str) -> Result | None:
        """The result that an experiment is reported by: on the main model, else on the first of the replicates, or
        the first comparison of trainings; None if there is none."""
        compared = self.compared(experiment)
        own = self.result(self.main, experiment) or self.result(self.replicates[0], experiment)
        return own or (compared[0] if compared else None)

    @cached_property
    def effects(self) -> Mapping[str, Effect]:
        """What the report is about: the effects by claim over the main model's trainings, and those of comparisons."""
        main = [self.main_result(name) for name in dict.fromkeys(result.experiment for result in self.results)]
        return effects([one for result in main if result for one in self.trainings(result)])

    def trainings(self, result: Result) -> tuple[Result, ...]:
        """The same experiment's results on all trainings of a result's recipe, itself first; only itself if it is alone."""
        family = result.subject.family
        others = [r for r in self.results if r.experiment == result.experiment and r.subject.family == family]
        return (result, *(other for other in others if family and other.subject.label != result.subject.label))

    @cached_property
    def replicates(self) -> tuple[str, ...]:
        """The trainings that tell how results vary, by label: those of the main model's recipe, or where it is alone those of
        the recipe of analysed models with most; only the main model if every recipe is alone."""
        families: dict[str, tuple[str, ...]] = {}
        for label in self.with_role("model"):
            family = self.subject(label).family or label
            families[family] = (*families.get(family, ()), label)
        own = next(labels for labels in families.values() if self.main in labels) if families else (self.main,)
        return own if len(own) > 1 else max([own, *families.values()], key=len)

    @cached_property
    def spread(self) -> Mapping[str, Effect]:
        """The effects over the replicates, and those of comparisons of trainings; `effects` where the main model is one."""
        if self.main in self.replicates:
            return self.effects
        compared = [
            r for r in self.results if self.main_result(r.experiment) is r and r.subject.label not in self.labels
        ]
        first = [result for result in self.results if result.subject.label == self.replicates[0]]
        return effects([one for result in (*first, *compared) for one in self.trainings(result)])

    def recipe(self, result: Result) -> Mapping[str, Effect]:
        """The effects of the recipe that a result is on; those of the report, if it is what the report is about."""
        own = self.main_result(result.experiment)
        if own is not None and own.key == result.key:
            return self.effects
        mine = [r for r in self.results if r.subject.label == result.subject.label] or [result]
        return effects([one for other in mine for one in self.trainings(other)])


def read_study(folder: str | Path) -> Study:
    """The results listed in `study.json`; in a folder without one, the newest of each experiment and model.

    NanoscopeError if there are none.
    """
    folder = Path(folder)
    listed = folder / "study.json"
    if listed.exists():
        content = json.loads(listed.read_text())
        results = tuple(load_result(folder / "results" / key) for key in content["results"])
        if not results:
            raise NanoscopeError(f"the study in {folder} is not finished; run the same `nanoscope study` command again")
        return Study(content["study"], results)
    chosen = newest(load_results(folder / "results"))
    if not chosen.shown:
        raise NanoscopeError(f"{folder} holds no results; make some with `make findings` or `nanoscope study quick`")
    return Study(None, chosen.shown, _left_aside(chosen))


def _left_aside(chosen: Chosen) -> str:
    reasons = {"newer results are shown": chosen.older, "newer checkpoints are shown": chosen.of_older_checkpoints}
    parts = [
        f"{', '.join(f'{result.key} ({_what(result)})' for result in results)}: {reason}"
        for reason, results in reasons.items()
        if results
    ]
    return "; ".join(parts)


def _what(result: Result) -> str:
    return f"{result.experiment} on {result.subject.label}, {stored_at(result).replace('T', ' ').rstrip('Z')}"


def drawn(study: Study) -> tuple[Result, ...]:
    """The results whose figures the report shows: models described at length, others that a section is about, comparisons."""
    shown = [r for label in study.shown for r in study.results if r.subject.label == label]
    about = [r for r in study.results if r.subject.role in ROLES and study.main_result(r.experiment) is r]
    compared = [r for r in study.results if r.subject.role not in ROLES]
    return tuple({r.key: r for r in (*shown, *about, *compared)}.values())


def figure_path(study: Study, label: str, figure: str) -> str:
    """A figure's path relative to the report: the main model's at the top, every other model's in its own folder."""
    own = "" if label == study.main else label.removeprefix("the ").replace(",", "").replace(" ", "-") + "/"
    return f"figures/{own}{figure}.png"
