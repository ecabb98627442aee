"""`nanoscope check`: the identities that must hold for any model."""

from __future__ import annotations

from dataclasses import dataclass

from nanoscope.cli.bars import progress
from nanoscope.cli.console import CONSOLE, CheckpointPath, VocabularyFile, narrow_table, open_model, tell
from nanoscope.errors import NanoscopeError


@dataclass(frozen=True)
class CheckCommand:
    """Run the self-checks, identities that must hold for any model, and print their errors."""

    checkpoint: CheckpointPath
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""


def run_check(command: CheckCommand) -> None:
    """Print every identity with its error; NanoscopeError if one does not hold."""
    from nanoscope.experiments.self_checks import self_checks

    checkpoint = open_model(command.checkpoint, 0, vocabulary=command.vocabulary)
    with progress("check") as show:
        checks = self_checks(checkpoint.model, show)
    tell(f"{command.checkpoint}: {checkpoint.model.parameter_count:,} parameters")
    table = narrow_table("identity", "error", "limit", "")
    for check in checks:
        table.add_row(
            check.name, f"{check.error:.1e}", f"{check.limit:.0e}", "holds" if check.passed else "[red]BROKEN"
        )
    CONSOLE.print(table)
    broken = [check.name for check in checks if not check.passed]
    if broken:
        raise NanoscopeError(
            f"{len(broken)} of {len(checks)} self-checks fail, so no experiment will run on this model"
        )
