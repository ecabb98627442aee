"""`nanoscope patch`: activation patching between two prompts of your own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.text import Text

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    CheckpointPath,
    GivenNumber,
    GivenReal,
    GivenText,
    VocabularyFile,
    chosen_device,
    narrow_table,
    open_model,
    read_pair,
    save_figure,
    say,
    tell,
)
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.analysis.causal.patching import Grid, PatchingResult
    from nanoscope.evidence.sweep import Sweep
    from nanoscope.model.gpt import GPT
    from nanoscope.tasks.task import Task
    from nanoscope.views.patch import Compared

Kind = Literal[
    "residual", "heads", "heads-by-position", "queries", "keys", "values", "attention", "mlps", "neurons", "pattern"
]
SHOWN = 10
TableFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")]


@dataclass(frozen=True)
class PatchCommand:
    """Patch activations between two prompts of your own: which ones account for the difference in the next token?

    `nanoscope patch CKPT "ROMEO: what" "ROMEO: shal"` compares the logits of the prompts' last symbols, t and l, predicted
    from the text before them: which heads carry over whether it was w or s that came before "ha"? With --answer and
    --wrong the model reads both prompts in full.
    """

    checkpoint: CheckpointPath
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""
    clean: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CLEAN")]
    """The clean prompt."""
    corrupt: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CORRUPT")]
    """The corrupt prompt, with as many tokens as the clean one."""
    answer: GivenText = None
    """The symbol that should follow the clean prompt; needs --wrong."""
    wrong: GivenText = None
    """The symbol that should follow the corrupt prompt; needs --answer."""
    sweep: Kind = "heads"
    """Which activations to patch."""
    layer: GivenNumber = None
    """Layer to patch; required by the sweeps neurons and pattern, and for these alone."""
    head: GivenNumber = None
    """Head to patch; required by the sweep pattern, and for it alone."""
    method: Literal["exact", "attribution", "screened"] = "exact"
    """exact: patch every cell; attribution: first-order estimates; screened: estimate all, patch the largest exactly."""
    share: GivenReal = None
    """Share of cells that screened patches exactly; 0.1 unless given."""
    verify: int = 0
    """Evenly spaced cells per direction to check against a full forward pass; a mismatch is an error."""
    plan: bool = False
    """Print what the exact sweep would cost, and stop."""
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
    csv: TableFile = None
    """Write every cell, not only the largest, as CSV."""
    json: TableFile = None
    """Write every cell, and what was compared, as JSON."""
    out: FigureFile = None
    """File of the figure: .png, .svg or .pdf."""


def run_patch(command: PatchCommand) -> None:
    """Run the sweep, print the cells with the largest effects, and draw all cells."""
    from nanoscope.analysis.causal import patching
    from nanoscope.model.precision import in_precision
    from nanoscope.plots.sweep import sweep_effects
    from nanoscope.tasks.task import pair
    from nanoscope.views.patch import compared, grid
    from nanoscope.views.patch_cells import effects

    _require_meant(command)
    device = chosen_device(command.device)
    checkpoint = open_model(command.checkpoint, command.threads, device, vocabulary=command.vocabulary)
    vocabulary = checkpoint.known_vocabulary
    clean, corrupt = read_pair(checkpoint, command.clean, command.corrupt, command.answer is not None)
    task = pair(vocabulary, clean, corrupt, command.answer, command.wrong)
    budget = None if command.budget is None else int(command.budget * 2**20)
    with in_precision(checkpoint.model, command.precision) as model:
        cells = grid(model, task, command.sweep, command.layer, command.head)
        if command.plan:
            return tell(patching.plan(model, task, cells, budget=budget).explain())
        found = _patched(command, model, task, cells, budget)
    config = checkpoint.model.config
    between = compared(vocabulary, config.vocab_size, task)
    effect = effects(found, between, config.n_layer)
    _print(found, between, effect)
    _write(command, found, between, config.n_layer)
    what = (
        checkpoint.sha256,
        command.clean,
        command.answer,
        command.wrong,
        command.layer,
        command.head,
        command.method,
    )
    file = figure_file(
        command.out, "patch", f"{command.sweep} {command.corrupt}", *what, command.share, command.precision
    )
    save_figure(sweep_effects(effect, _title(command, between)), file)


def _require_meant(command: PatchCommand) -> None:
    """NanoscopeError for options that cannot be meant together; before anything is opened."""
    require_figure_file(command.out)
    estimated = command.method == "attribution"
    refused = {
        "--answer and --wrong go together; give both, or neither to compare the prompts' last symbols": (
            (command.answer is None) != (command.wrong is None)
        ),
        "--share is for --method screened alone; add that, or leave out --share": (
            command.share is not None and command.method != "screened"
        ),
        "estimates cannot be verified; use --method screened or exact with --verify": bool(
            estimated and command.verify
        ),
        "--budget limits exact patching; leave it out with --method attribution": estimated
        and command.budget is not None,
        f"--verify counts cells, so it must be 0 or more, not {command.verify}": command.verify < 0,
        f"--budget must be a number of MiB above 0, not {command.budget}": not (
            command.budget is None or command.budget > 0
        ),
        "--plan measures nothing; leave out --csv, --json and --verify": command.plan
        and bool(command.csv or command.json or command.verify),
        "--plan tells the cost of the exact sweep; leave out --method": command.plan and command.method != "exact",
        "--csv and --json name the same file; give two": command.csv is not None and command.csv == command.json,
    }
    for reason, holds in refused.items():
        if holds:
            raise NanoscopeError(reason)


def _patched(command: PatchCommand, model: GPT, task: Task, cells: Grid, budget: int | None) -> PatchingResult:
    from nanoscope.views.patch import SHARE, patched

    share = SHARE if command.share is None else command.share
    with progress("patching") as show:

        def cells_done(done: int, total: int) -> None:
            show(command.sweep, done, total)

        return patched(model, task, cells, command.method, share, budget, cells_done, command.verify)


def _print(found: PatchingResult, between: Compared, effect: Sweep) -> None:
    """What was compared, the largest cells, and how far they can be trusted."""
    from nanoscope.views.patch import against_shares

    tell(f"{between.answer!r} against {between.wrong!r}, predicted from position {between.position}, the last one read")
    means = f"clean {found.clean.mean():.3f}, corrupt {found.corrupt.mean():.3f}"
    tell(f"logit of {between.answer!r} minus logit of {between.wrong!r}: {means} ({found.arithmetic})")
    reason = against_shares(found)
    if reason is not None:
        tell(f"no shares, only logits: {reason}", style="yellow")
    for plan in found.plans[:1]:
        tell(plan.explain())
    _print_cells(found, effect, reason is None)
    if found.rank_correlation is not None:
        both = ", ".join(f"{value:.2f}" for value in found.rank_correlation.values)
        tell(f"rank correlation of estimated and exact effects, on cells with both (denoise, noise): {both}")
    elif found.estimate is not None:
        tell("first-order estimates, none of them exact; --method screened patches the largest exactly")


def _print_cells(found: PatchingResult, effect: Sweep, shares: bool) -> None:
    from nanoscope.views.patch_cells import largest

    screened = found.is_exact is not None and bool(found.is_exact.any())
    columns = ("clean into corrupt restores", "corrupt into clean destroys")
    if not shares:
        columns = ("clean into corrupt, logits", "corrupt into clean, logits")
    table = narrow_table(*effect.dims[1:], *columns, *[""] * screened)
    form = "{:.1%}".format if shares else "{:+.4f}".format
    cells = largest(found, effect, SHOWN)
    for cell in cells:
        values = [form(value) for value in (cell.restored, cell.destroyed)]
        table.add_row(*map(Text, cell.labels), *values, *[cell.exact] * screened)
    CONSOLE.print(table)
    count = effect.values[0].size
    if len(cells) < count:
        tell(f"the largest {len(cells)} of {count:,} cells; --csv FILE or --json FILE keeps them all")


def _write(command: PatchCommand, found: PatchingResult, between: Compared, layers: int) -> None:
    """The files of all cells that were asked for."""
    from nanoscope import files
    from nanoscope.views.patch_cells import as_csv, as_json

    if command.csv is not None:
        files.write_bytes(command.csv, as_csv(found, between, layers).encode())
        say(f"cells: {command.csv}")
    if command.json is not None:
        files.write_json(command.json, as_json(found, between, layers))
        say(f"cells: {command.json}")


def _title(command: PatchCommand, between: Compared) -> str:
    where = {"layer": command.layer, "head": command.head}
    part = "".join(f", {name} {value}" for name, value in where.items() if value is not None)
    texts = f"{command.clean!r} (clean) and {command.corrupt!r} (corrupt)"
    return f"{command.sweep}{part}: {between.answer!r} against {between.wrong!r}\n{texts}"
