"""`nanoscope train`: train by a preset's recipe, with changes from the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    DataName,
    GivenNumber,
    GivenPath,
    GivenReal,
    chosen_device,
    duration,
    open_text,
    say,
    thread_count,
)

if TYPE_CHECKING:
    from nanoscope.text.corpora import Corpus
    from nanoscope.training.loop import TrainingProgress
    from nanoscope.training.recipe import Machine, Recipe

LONG_HOURS = 2.0
LINES = 10
"""Lines of a training in a log."""
Preset = Literal["quick", "control", "shakespeare", "shakespeare-cpu"]
StudyPreset = Literal["quick", "control", "published", "scale", "doses", "code", "wiki"]


@dataclass(frozen=True)
class TrainCommand:
    """Train a GPT by a preset's recipe, or resume an interrupted run in the same folder.

    `nanoscope train quick`; `nanoscope train shakespeare-cpu --data mine.txt --estimate` says how long it would take.
    """

    preset: Annotated[tyro.conf.Positional[Preset], tyro.conf.arg(metavar="PRESET")] = "quick"
    """Model and recipe: quick (minutes), control (must copy), shakespeare-cpu (hours), shakespeare (nanoGPT's own, a GPU)."""
    out: GivenPath = None
    """Folder of the run; default: runs/PRESET-SEED."""
    data: DataName = None
    """The text to train on: a file, or shakespeare, code or wiki (./code is a file of that name); default: shakespeare."""
    seed: int = 1
    """Seed of the first weights, the batches and dropout."""
    iterations: GivenNumber = None
    """Optimiser steps; default: the preset's."""
    batch_size: GivenNumber = None
    """Windows per batch; default: the preset's."""
    accumulation: GivenNumber = None
    """Batches per optimiser step (gradient accumulation); default: the preset's."""
    n_layer: GivenNumber = None
    """Layers; default: the preset's."""
    n_head: GivenNumber = None
    """Heads per layer; default: the preset's."""
    n_embd: GivenNumber = None
    """Width of the residual stream, a multiple of the heads; default: the preset's."""
    block_size: GivenNumber = None
    """Context in characters; default: the preset's."""
    dropout: GivenReal = None
    """Dropout rate, 0 <= X < 1; default: the preset's."""
    copied: GivenReal = None
    """Of the control: the share of windows with a copy, 0 to 1; default: all."""
    learning_rate: GivenReal = None
    """Highest learning rate, after the warm-up; default: the preset's."""
    device: str = "auto"
    """cpu, cuda or auto."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 on a GPU and on CPUs with native support (AMX, AVX512-BF16), else float32. The choice is recorded."""
    threads: int = 0
    """CPU threads; 0 uses all cores. The number affects rounding, so keep it to reproduce a run."""
    compile: bool = False
    """Compile the model with torch.compile: faster on a GPU, with other rounding."""
    estimate: bool = False
    """Time 20 iterations, print how long the training would take on this machine, and stop."""


def run_train(command: TrainCommand) -> None:
    from nanoscope.training.loop import train

    recipe, machine, text = _recipe(command), _machine(command), open_text(command.data)
    if command.estimate:
        return _estimate(command, recipe, machine, text)
    folder = command.out or Path("runs") / f"{command.preset}-{command.seed}"
    with progress("training") as show:

        def told(now: TrainingProgress) -> None:
            show(_part(command, now), now.step, now.total)

        trained = train(recipe, text, folder, machine, told)
    loss = trained.training["val_loss"]
    say(f"validation loss {loss:.4f} nats per character; checkpoint: {folder / 'final'}")
    say(f"next: nanoscope run induction {folder / 'final'}")


def _part(command: TrainCommand, now: TrainingProgress) -> str:
    """What is shown of a training: on a terminal the loss of every iteration, in a log every tenth of it."""
    if CONSOLE.is_terminal or now.step == 1 or now.step % max(1, now.total // LINES) == 0:
        return f"{command.preset}, seed {command.seed}: loss {now.loss:.3f}"
    return ""


def _estimate(command: TrainCommand, recipe: Recipe, machine: Machine, text: Corpus) -> None:
    from nanoscope.training.loop import seconds_per_iteration

    with progress("training") as show:
        show("timing some iterations", 0, 1)
        seconds = seconds_per_iteration(recipe, text, machine)
    hours = seconds * recipe.iterations / 3600
    where = "the GPU" if machine.device != "cpu" else f"{machine.threads} CPU thread{'s' * (machine.threads > 1)}"
    CONSOLE.print(
        f"{command.preset}: {recipe.iterations:,} iterations at {seconds:.2f} s on {where}: about {duration(hours)}"
    )
    if hours > LONG_HOURS and command.preset == "shakespeare":
        smaller = replace(command, preset="shakespeare-cpu")
        light = _recipe(smaller)
        part = seconds * light.batch_size / recipe.batch_size * light.iterations / 3600
        CONSOLE.print(
            f"`shakespeare-cpu` (same model, batch {light.batch_size}, {light.iterations:,} iterations) is shorter, "
            f"about {duration(part)}: bash scripts/train_for_interpretability.sh shakespeare-cpu"
        )


def _recipe(command: TrainCommand) -> Recipe:
    """The preset's recipe with the changes from the command line."""
    from nanoscope.studies.recipes import RECIPES
    from nanoscope.training.recipe import native_precision

    def given(*names: str) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(command, name)) is not None}

    recipe = RECIPES[command.preset]
    model = replace(recipe.model, **given("n_layer", "n_head", "n_embd", "block_size", "dropout"))
    changed = given("iterations", "batch_size", "accumulation", "copied", "learning_rate")
    if command.learning_rate is not None:
        changed["min_learning_rate"] = min(recipe.min_learning_rate, command.learning_rate)
    precision = command.precision
    if precision == "auto":
        precision = native_precision(chosen_device(command.device))
    return replace(recipe, model=model, seed=command.seed, precision=precision, **changed)


def _machine(command: TrainCommand) -> Machine:
    from nanoscope.training.recipe import Machine

    return Machine(chosen_device(command.device), thread_count(command.threads), command.compile)
