"""`nanoscope patch`: activation patching between two texts of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.table import Table

from nanoscope.cli.console import CONSOLE, bars, chosen_device, open_model, save_figure, say

if TYPE_CHECKING:
    from nanoscope.analysis.causal.patching import Grid, PatchingResult
    from nanoscope.model.gpt import GPT
    from nanoscope.tasks.task import Task

Kind = Literal[
    "residual", "heads", "heads-by-position", "queries", "keys", "values", "attention", "mlps", "neurons", "pattern"
]
SHOWN = 10


@dataclass(frozen=True)
class PatchCommand:
    """Patch activations between two texts of your own: which of them carry the difference in the next token?

    `nanoscope patch CKPT "the cat sat on the c" "the dog sat on the d"` compares the predictions of each text's own last
    symbol, made from the rest. With --answer and --wrong both texts are read whole.
    """

    checkpoint: tyro.conf.Positional[Path]
    clean: tyro.conf.Positional[str]
    corrupt: tyro.conf.Positional[str]
    """As long as the clean text."""
    answer: str | None = None
    """The symbol that should follow the clean text."""
    wrong: str | None = None
    """The symbol that it is compared with."""
    sweep: Kind = "heads"
    layer: int | None = None
    """Which layer, for neurons and pattern."""
    head: int | None = None
    """Which head, for pattern."""
    method: Literal["exact", "attribution", "screened"] = "exact"
    """screened: attribution for all cells, and the share with the largest estimates exactly."""
    share: float = 0.1
    verify: int = 0
    """Cells of each direction, evenly spaced, that are also run in full; an error where one differs."""
    plan: bool = False
    """Only say what the sweep would cost."""
    budget: float | None = None
    """Memory for activations, MiB; a quarter of what is free."""
    device: str = "auto"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    threads: int = 0
    """CPU threads; 0 takes all cores."""
    out: Path = Path("runs/mine/patching.png")
    """The figure."""


def run_patch(command: PatchCommand) -> None:
    """Sweep, print the cells with the largest effects, and draw them all."""
    from nanoscope.analysis.causal import patching
    from nanoscope.model.precision import in_precision
    from nanoscope.plots.sweep import sweep_effects
    from nanoscope.tasks.task import pair
    from nanoscope.views.patch import grid

    checkpoint = open_model(command.checkpoint, command.threads, chosen_device(command.device))
    task = pair(checkpoint.known_vocabulary, command.clean, command.corrupt, command.answer, command.wrong)
    budget = None if command.budget is None else int(command.budget * 2**20)
    with in_precision(checkpoint.model, command.precision) as model:
        cells = grid(model, task, command.sweep, command.layer, command.head)
        if command.plan:
            return say(patching.plan(model, task, cells, budget=budget).explain())
        found = _patched(command, model, task, cells, budget)
    _print(found)
    symbols = [checkpoint.known_vocabulary.decode([int(token)]) for token in task.clean[0]]
    title = f"{command.sweep}: {command.clean!r} and {command.corrupt!r}"
    save_figure(sweep_effects(found.effect, symbols, title), command.out)


def _patched(command: PatchCommand, model: GPT, task: Task, cells: Grid, budget: int | None) -> PatchingResult:
    from nanoscope.views.patch import patched

    with bars() as shown:
        bar = shown.add_task(f"patching {command.sweep}", total=len(cells.cells))

        def show(done: int, total: int) -> None:
            shown.update(bar, completed=done, total=total)

        return patched(model, task, cells, command.method, command.share, budget, show, command.verify)


def _print(found: PatchingResult) -> None:
    from nanoscope.views.patch import largest

    means = f"clean {found.clean.mean():.3f}, corrupt {found.corrupt.mean():.3f}"
    say(f"logit of the answer above the wrong one: {means} ({found.arithmetic})")
    for plan in found.plans[:1]:
        say(plan.explain())
    screened = found.is_exact is not None and bool(found.is_exact.any())
    table = Table(
        *found.effect.dims[1:], "clean into corrupt restores", "corrupt into clean destroys", *[""] * screened
    )
    for cell in largest(found, SHOWN):
        table.add_row(*cell.labels, f"{cell.restored:.1%}", f"{cell.destroyed:.1%}", *[cell.exact] * screened)
    CONSOLE.print(table)
    if found.estimate is not None and not screened:
        say("estimated to first order, none of it exactly: --method screened replays the largest")
    if found.rank_correlation is not None:
        both = ", ".join(f"{value:.2f}" for value in found.rank_correlation.values)
        say(f"rank correlation of estimated and exact effects where both are known (denoise, noise): {both}")
