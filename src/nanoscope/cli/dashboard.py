"""`nanoscope open`: a page in the browser that shows the model live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from nanoscope.cli.console import DataName, say, tell, thread_count
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.dashboard.session import Session

ROOT = Path(__file__).parents[3]
SHIPPED, PUBLISHED = ROOT / "trained_models" / "shakespeare_char_model", ROOT / "results"
PORT = 8765


@dataclass(frozen=True)
class OpenCommand:
    """See what the model does, live, in the browser: `nanoscope open CKPT`. Also called `nanoscope dashboard`.

    Type a text; see every prediction, where each head looks, and the prediction after each layer; take heads and MLPs away
    and see what changes. The folder of a study shows its findings, heads and trainings. The page is served to this machine
    only, unless --host says otherwise, and loads nothing from elsewhere.
    """

    checkpoints: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CKPT|TRAINING|STUDY", help_behavior_hint="")
    ] = ()
    """nanoGPT's ckpt.pt or its folder, a checkpoint of nanoscope, the folder of a training or of a study; several may be
    given; default: the shipped model and the published study."""
    dictionary: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = ()
    """Folder of a dictionary of the checkpoint, made by nanoscope dictionary train: its features are shown and changed; several
    may be given."""
    export: Annotated[Path | None, tyro.conf.arg(metavar="WEBPAGE")] = None
    """Instead of serving, write the stored results as one page that opens from disk, such as study.html."""
    data: DataName = None
    """The text to measure neurons and lenses on: a file, or shakespeare, code or wiki; default: shakespeare."""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """Where the page is served; elsewhere than on this machine alone, the page itself needs the key of its address too."""
    port: int = PORT
    """Of the page's address; 0 is any that is free."""
    no_browser: bool = False
    """Only print the address."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""


def run_open(command: OpenCommand) -> None:
    """Serve the page until Ctrl-C, or write it."""
    import torch

    from nanoscope.dashboard.hosts import Where
    from nanoscope.dashboard.serve import serve
    from nanoscope.dashboard.session import Session
    from nanoscope.views.opened import opened

    torch.set_num_threads(thread_count(command.threads))
    given = opened(command.checkpoints or _shipped())
    session = Session(given.checkpoints, study=given.study, data=command.data, dictionaries=command.dictionary)
    if command.export is not None:
        _export(session, command.export)
    else:
        serve(session, command.port, not command.no_browser, tell, Where(command.host))


def _shipped() -> tuple[Path, ...]:
    """The model and the study that come along; a line about what this installation lacks."""
    there = tuple(path for path in (SHIPPED, PUBLISHED) if path.exists())
    if not there:
        raise NanoscopeError("this installation has no trained model; give a checkpoint: nanoscope open CKPT")
    if PUBLISHED not in there:
        tell("note: this installation has no published study; give a study's folder to see findings", style="dim")
    return there


def _export(session: Session, file: Path) -> None:
    from nanoscope.cli.bars import progress
    from nanoscope.dashboard.export import export

    if file.suffix.lower() not in (".html", ".htm"):
        raise NanoscopeError(f"the page is written as .html, not {file.name!r}; give --export such a name")
    with progress("export") as show:
        export(session.stored, file, show)
    say(f"page: {file} ({file.stat().st_size / 1e6:.1f} MB)")
