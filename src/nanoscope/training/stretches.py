"""Where each stretch of a training ran: its processor, threads, precision and torch, and the step at which it began.

A training that was stopped may go on elsewhere, and another processor rounds otherwise. The weights of a training with two
kinds of stretch are as good as any, but no machine can train them again exactly: their checkpoints say so.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nanoscope import files
from nanoscope.training.recipe import Machine, Recipe

Stretch = dict[str, Any]
"""`first` (the step at which it began), `processor`, `threads`, `precision`, `torch`: plain values."""


def processor(device: str) -> str:
    """The processor as its maker numbers it, with the vector instructions that torch uses of it; or the GPU's name."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    told = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in (told.read_text().splitlines() if told.exists() else []))
    values = {name.strip(): value.strip() for name, _, value in reversed(list(lines))}
    numbers = "".join(f", {name} {values[name]}" for name in ("cpu family", "model", "stepping") if name in values)
    name = values.get("model name") or platform.processor() or platform.machine()
    return f"{name}{numbers}, {torch.backends.cpu.get_cpu_capability()}"


def of(folder: Path) -> list[Stretch]:
    """The stretches of a training so far, in order; none where none were noted."""
    path = folder / "stretches.json"
    return json.loads(path.read_text()) if path.exists() else []


def begin(folder: Path, first: int, recipe: Recipe, machine: Machine) -> list[Stretch]:
    """Note that a stretch begins at step `first`; one of the same kind as the last only goes on with it."""
    here = {
        "processor": processor(machine.device),
        "threads": machine.threads,
        "precision": recipe.precision,
        "torch": torch.__version__,
    }
    lasting = [stretch for stretch in of(folder) if stretch["first"] < first]
    if not lasting or {key: lasting[-1].get(key) for key in here} != here:
        lasting = [*lasting, {"first": first, **here}]
    files.write_json(folder / "stretches.json", lasting)
    return lasting


def repeatable(stretches: Sequence[Stretch]) -> bool:
    """Can a machine of one kind train the same weights again: was it one kind that trained them?"""
    return len(stretches) < 2
