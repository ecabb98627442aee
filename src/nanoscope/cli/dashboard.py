"""`nanoscope open`: a page in the browser that shows the model live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nanoscope.cli.console import tell, thread_count
from nanoscope.errors import NanoscopeError

SHIPPED = Path(__file__).parents[3] / "trained_models" / "shakespeare-cpu-1"
PORT = 8765


@dataclass(frozen=True)
class OpenCommand:
    """See what the model does, live, in the browser: `nanoscope open CKPT`. Also called `nanoscope dashboard`.

    Type a text; see every prediction, where each head looks, and the prediction after each layer; take heads and MLPs away
    and see what changes. The page is served to this machine only and loads nothing from elsewhere.
    """

    checkpoints: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CKPT", help_behavior_hint="")
    ] = ()
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope; several may be given; default: the shipped model."""
    port: int = PORT
    """Of the page's address; 0 is any that is free."""
    no_browser: bool = False
    """Only print the address."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""


def run_open(command: OpenCommand) -> None:
    """Serve the page until Ctrl-C."""
    import torch

    from nanoscope.dashboard.serve import serve

    torch.set_num_threads(thread_count(command.threads))
    if not command.checkpoints and not SHIPPED.exists():
        raise NanoscopeError("this installation has no trained model; give a checkpoint: nanoscope open CKPT")
    serve(command.checkpoints or (SHIPPED,), command.port, not command.no_browser, tell)
