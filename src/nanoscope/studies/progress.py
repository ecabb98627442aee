"""The progress of a study and its estimated time left, from finished stages and the pace of running trainings.

Estimated seconds left: for a running training, its remaining iterations at its own pace; for other stages, the mean time of
finished stages of that kind times the number left, over the number of processes. Without such data there is no estimate.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanoscope.studies.plan import KINDS, StudyPlan
from nanoscope.studies.stages import Record, Stage, Training, Workspace


@dataclass(frozen=True)
class StageGroup:
    """The stages of one kind of one model (or comparison)."""

    kind: str
    label: str
    done: int
    running: int
    waiting: int
    seconds_left: float | None
    note: str = ""


@dataclass(frozen=True)
class StudyProgress:
    """Shown to the user: a group for each kind and model, and the stages finished in this call, in order."""

    groups: tuple[StageGroup, ...]
    ended: tuple[Record, ...]

    @property
    def done(self) -> int:
        return sum(group.done for group in self.groups)

    @property
    def total(self) -> int:
        return sum(group.done + group.running + group.waiting for group in self.groups)


@dataclass(frozen=True)
class State:
    """The state of a running study."""

    records: Mapping[str, Record]
    """Records of finished stages, by name."""
    running: Mapping[str, str]
    """A note for each running stage, by name."""
    slots: int
    """Number of stages that can run at once."""


def summed(groups: Collection[StageGroup]) -> tuple[StageGroup, ...]:
    """One group for each kind."""
    parts = {kind: [group for group in groups if group.kind == kind] for kind in KINDS}
    return tuple(_sum(kind, part) for kind, part in parts.items() if part)


def _sum(kind: str, groups: list[StageGroup]) -> StageGroup:
    left = [group.seconds_left for group in groups]
    known = None if None in left else sum(seconds for seconds in left if seconds is not None)
    done, running, waiting = (sum(getattr(g, name) for g in groups) for name in ("done", "running", "waiting"))
    return StageGroup(kind, "", done, running, waiting, known)


class Pace:
    """Follows trainings through their metrics files; the pace of each is measured from its first reading."""

    def __init__(self, plan: StudyPlan, workspace: Workspace) -> None:
        self.plan, self.workspace = plan, workspace
        self.first: dict[str, tuple[float, int]] = {}

    def groups(self, state: State) -> tuple[StageGroup, ...]:
        """One group for each kind and label of stages."""
        groups: dict[tuple[str, str], list[Stage]] = {}
        for stage in self.plan.stages:
            groups.setdefault((stage.kind, stage.label), []).append(stage)
        means = self._means(state.records)
        return tuple(self._group(part, state, means.get(kind)) for (kind, _), part in groups.items())

    def _group(self, stages: list[Stage], state: State, mean: float | None) -> StageGroup:
        """The group of stages of one kind and label; `mean`: seconds per stage of that kind, if any has finished."""
        under_way = [stage for stage in stages if stage.name in state.running]
        done = sum(stage.name in state.records for stage in stages)
        waiting = len(stages) - done - len(under_way)
        notes = [state.running[stage.name] or stage.name for stage in under_way][:1]
        left = 0.0 if done == len(stages) else None
        if mean is not None and left is None:
            left = mean * (len(stages) - done) / max(1, state.slots)
        if stages[0].kind == "train" and under_way:
            left, notes = self._training(under_way[0], state.running[under_way[0].name])
        return StageGroup(stages[0].kind, stages[0].label, done, len(under_way), waiting, left, *notes)

    def _means(self, records: Mapping[str, Record]) -> dict[str, float]:
        seconds: dict[str, list[float]] = {}
        for stage in self.plan.stages:
            if stage.name in records:
                seconds.setdefault(stage.kind, []).append(records[stage.name].seconds)
        return {kind: sum(taken) / len(taken) for kind, taken in seconds.items()}

    def _training(self, stage: Stage, remark: str) -> tuple[float | None, list[str]]:
        """Seconds left of one training, and a note on its progress."""
        assert isinstance(stage.work, Training)
        assert stage.work.member.recipe is not None
        total = stage.work.member.recipe.iterations
        last = last_metrics(self.workspace.model(stage.work.member) / "metrics.jsonl")
        step, now = last.get("step", -1) + 1, time.monotonic()
        began, first = self.first.setdefault(stage.name, (now, step))
        left = (now - began) / (step - first) * (total - step) if step > first else None
        loss = f", loss {last['loss']:.3f}" if last.get("loss") is not None else ""
        note = f"{min(step, total):,} of {total:,} iterations{loss}"
        return left, [f"{note}; {remark}" if remark else note]


def last_metrics(path: Path) -> dict[str, Any]:
    """The last complete line of a metrics file that is being written."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400))
        lines = [line for line in file.read().decode().splitlines() if line.startswith("{") and line.endswith("}")]
    return json.loads(lines[-1]) if lines else {}
