"""The stretches of a training: the processor, threads, precision, torch version, compilation and first step of each.

An interrupted training may resume on another processor, which rounds differently. Weights trained in two kinds of stretch
are equally valid, but no single machine can reproduce them exactly; their checkpoints record this.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.training.recipe import Machine, Recipe

NOTE = "stretches.json"


@dataclass(frozen=True)
class Stretch:
    """A part of a training that ran on one kind of machine with one setting."""

    first: int
    """The step at which it began."""
    processor: str
    threads: int
    precision: str
    torch: str
    compile: bool = False
    """Whether the model was compiled, which rounds otherwise; records of older trainings do not say."""


def processor(device: str) -> str:
    """The processor's model and numbers, with the vector instructions that torch uses; or the name of the GPU."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in (info.read_text().splitlines() if info.exists() else []))
    values = {name.strip(): value.strip() for name, _, value in reversed(list(lines))}
    numbers = "".join(f", {name} {values[name]}" for name in ("cpu family", "model", "stepping") if name in values)
    name = values.get("model name") or platform.processor() or platform.machine()
    return f"{name}{numbers}, {torch.backends.cpu.get_cpu_capability()}"


def of(folder: Path) -> list[Stretch]:
    """The recorded stretches of a training, in order. Raises NanoscopeError for a damaged record."""
    path = folder / NOTE
    try:
        return [Stretch(**one) for one in json.loads(path.read_text())] if path.exists() else []
    except (ValueError, TypeError):
        raise NanoscopeError(f"{path} is damaged; remove it to continue the training without this record") from None


def continued(folder: Path, first: int, recipe: Recipe, machine: Machine) -> list[Stretch]:
    """The recorded stretches with one that begins at step `first`. One of the same kind as the last extends it."""
    where = processor(machine.device), machine.threads, recipe.precision, torch.__version__, machine.compile
    here = Stretch(first, *where)
    kept = [stretch for stretch in of(folder) if stretch.first < first]
    if not kept or replace(kept[-1], first=first) != here:
        kept = [*kept, here]
    return kept


def record(folder: Path, stretches: Sequence[Stretch]) -> None:
    """Write the stretches of a training into its folder."""
    files.write_json(folder / NOTE, plain(stretches))


def plain(stretches: Sequence[Stretch]) -> list[dict[str, Any]]:
    """Stretches as plain values for JSON."""
    return [asdict(stretch) for stretch in stretches]


def repeatable(stretches: Sequence[Stretch]) -> bool:
    """Whether one kind of machine did all the training, so that it can reproduce the weights."""
    return len(stretches) < 2
