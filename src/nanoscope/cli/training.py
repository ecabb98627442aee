"""`nanoscope train`: train by a preset's recipe, with changes from the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from nanoscope.cli.bars import progress
from nanoscope.cli.console import CONSOLE, chosen_device, duration, open_text, say, thread_count

if TYPE_CHECKING:
    from nanoscope.text.corpora import Corpus
    from nanoscope.training.loop import TrainingProgress
    from nanoscope.training.recipe import Machine, Recipe

LONG_HOURS = 2.0
LINES = 10
"""Lines of a training in a log."""
Preset = Literal["quick", "control", "shakespeare", "shakespeare-cpu"]
StudyPreset = Literal["quick", "control", "shakespeare", "shakespeare-cpu", "scale", "code", "wiki"]


@dataclass(frozen=True)
class TrainCommand:
    """Train a GPT by a preset's recipe, or resume an interrupted run in the same folder."""

    preset: tyro.conf.Positional[Preset] = "quick"
    out: Path | None = None
    """Folder of the run [runs/PRESET-SEED]."""
    data: str | None = None
    """A text file, or shakespeare (default), code or wiki (write ./code for a file of that name)."""
    seed: int = 1
    iterations: int | None = None
    batch_size: int | None = None
    accumulation: int | None = None
    n_layer: int | None = None
    n_head: int | None = None
    n_embd: int | None = None
    block_size: int | None = None
    dropout: float | None = None
    learning_rate: float | None = None
    device: str = "auto"
    """cpu, cuda or auto."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 on a GPU and on CPUs with native support (AMX, AVX512-BF16), else float32. The choice is recorded."""
    threads: int = 0
    """CPU threads; 0 uses all cores. The number affects rounding, so keep it to reproduce a run."""
    compile: bool = False
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
    changed = given("iterations", "batch_size", "accumulation", "learning_rate")
    if command.learning_rate is not None:
        changed["min_learning_rate"] = min(recipe.min_learning_rate, command.learning_rate)
    precision = command.precision
    if precision == "auto":
        precision = native_precision(chosen_device(command.device))
    return replace(recipe, model=model, seed=command.seed, precision=precision, **changed)


def _machine(command: TrainCommand) -> Machine:
    from nanoscope.training.recipe import Machine

    return Machine(chosen_device(command.device), thread_count(command.threads), command.compile)
