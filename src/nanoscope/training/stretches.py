"""Where each stretch of a training ran: its processor, threads, precision and torch, and the step at which it began.

A training that was stopped may go on elsewhere, and another processor rounds otherwise. The weights of a training with two
kinds of stretch are as good as any, but no machine can train them again exactly: their checkpoints say so.
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
    """A part of a training that ran on one kind of machine without a change of settings."""

    first: int
    """The step at which it began."""
    processor: str
    threads: int
    precision: str
    torch: str


def processor(device: str) -> str:
    """The processor as its maker numbers it, with the vector instructions that torch uses of it; or the GPU's name."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    about = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in (about.read_text().splitlines() if about.exists() else []))
    values = {name.strip(): value.strip() for name, _, value in reversed(list(lines))}
    numbers = "".join(f", {name} {values[name]}" for name in ("cpu family", "model", "stepping") if name in values)
    name = values.get("model name") or platform.processor() or platform.machine()
    return f"{name}{numbers}, {torch.backends.cpu.get_cpu_capability()}"


def of(folder: Path) -> list[Stretch]:
    """The stretches of a training so far, in order; none where none were noted. NanoscopeError for a damaged note."""
    path = folder / NOTE
    try:
        return [Stretch(**one) for one in json.loads(path.read_text())] if path.exists() else []
    except (ValueError, TypeError):
        raise NanoscopeError(f"{path} is damaged; remove it, and the training goes on without what it said") from None


def begin(folder: Path, first: int, recipe: Recipe, machine: Machine) -> list[Stretch]:
    """Note that a stretch begins at step `first`; one of the same kind as the last only goes on with it."""
    here = Stretch(first, processor(machine.device), machine.threads, recipe.precision, torch.__version__)
    lasting = [stretch for stretch in of(folder) if stretch.first < first]
    if not lasting or replace(lasting[-1], first=first) != here:
        lasting = [*lasting, here]
    files.write_json(folder / NOTE, plain(lasting))
    return lasting


def plain(stretches: Sequence[Stretch]) -> list[dict[str, Any]]:
    """As JSON holds them."""
    return [asdict(stretch) for stretch in stretches]


def repeatable(stretches: Sequence[Stretch]) -> bool:
    """Can a machine of one kind train the same weights again: was it one kind that trained them?"""
    return len(stretches) < 2
