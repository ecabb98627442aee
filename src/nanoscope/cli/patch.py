"""`nanoscope patch`: activation patching between two prompts of your own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.table import Table

from nanoscope.cli.console import (
    CONSOLE,
    CheckpointPath,
    GivenNumber,
    GivenReal,
    GivenText,
    VocabularyFile,
    bars,
    chosen_device,
    open_model,
    read_pair,
    save_figure,
    say,
)

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
    """Patch activations between two prompts of your own: which ones account for the difference in the next token?

    `nanoscope patch CKPT "the cat sat on the c" "the dog sat on the d"` compares the logits of the prompts' last
    symbols, c and d, predicted from the text before them. With --answer and --wrong the model reads both prompts in full.
    """

    checkpoint: CheckpointPath
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""
    clean: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CLEAN")]
    """The clean prompt."""
    corrupt: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CORRUPT")]
    """The corrupt prompt, with as many tokens as the clean one."""
    answer: GivenText = None
    """The symbol that should follow the clean prompt."""
    wrong: GivenText = None
    """The symbol that should follow the corrupt prompt."""
    sweep: Kind = "heads"
    """Which activations to patch."""
    layer: GivenNumber = None
    """Layer to patch; required by the sweeps neurons and pattern."""
    head: GivenNumber = None
    """Head to patch; required by the sweep pattern."""
    method: Literal["exact", "attribution", "screened"] = "exact"
    """exact: patch every cell; attribution: first-order estimates; screened: estimate all, patch the largest exactly."""
    share: float = 0.1
    """Share of cells that screened patches exactly."""
    verify: int = 0
    """Evenly spaced cells per direction to check against a full forward pass; a mismatch is an error."""
    plan: bool = False
    """Print what the sweep would cost, and stop."""
    budget: GivenReal = None
    """Memory for activations in MiB; default: a quarter of the free memory."""
    device: str = "auto"
    """cpu, cuda or auto."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of the matrix products; float32 is exact."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""
    out: Path = Path("runs/mine/patching.png")
    """File of the figure."""


def run_patch(command: PatchCommand) -> None:
    """Run the sweep, print the cells with the largest effects, and draw all cells."""
    from nanoscope.analysis.causal import patching
    from nanoscope.model.precision import in_precision
    from nanoscope.plots.sweep import sweep_effects
    from nanoscope.tasks.task import pair
    from nanoscope.views.patch import grid

    checkpoint = open_model(
        command.checkpoint, command.threads, chosen_device(command.device), vocabulary=command.vocabulary
    )
    answered = command.answer is not None and command.wrong is not None
    clean, corrupt = read_pair(checkpoint, command.clean, command.corrupt, answered)
    task = pair(checkpoint.known_vocabulary, clean, corrupt, command.answer, command.wrong)
    budget = None if command.budget is None else int(command.budget * 2**20)
    with in_precision(checkpoint.model, command.precision) as model:
        cells = grid(model, task, command.sweep, command.layer, command.head)
        if command.plan:
            return say(patching.plan(model, task, cells, budget=budget).explain())
        found = _patched(command, model, task, cells, budget)
    _print(found)
    symbols = [checkpoint.known_vocabulary.decode([int(token)]) for token in task.clean[0]]
    title = f"{command.sweep}: {clean!r} and {corrupt!r}"
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
    say(f"logit difference (answer - wrong): {means} ({found.arithmetic})")
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
        say("first-order estimates, none of them exact; --method screened patches the largest exactly")
    if found.rank_correlation is not None:
        both = ", ".join(f"{value:.2f}" for value in found.rank_correlation.values)
        say(f"rank correlation of estimated and exact effects, on cells with both (denoise, noise): {both}")
