"""Text that a model writes, as it is and with a change: components ablated, or the residual stream steered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit, add, mean, zero
from nanoscope.interventions.generate import Sampling, continuation
from nanoscope.interventions.run import activations, check_site, model_and_tokens, run
from nanoscope.model.names import component
from nanoscope.model.sites import Site
from nanoscope.text.vocabulary import UNKNOWN
from nanoscope.text.windows import lead, windows

WINDOWS = 16
"""Windows of text over which an ablated component is averaged."""


@dataclass(frozen=True)
class Change:
    """What differs from the model as it is: edits, and a line that says what they do."""

    edits: tuple[AnyEdit, ...] = field(repr=False)
    described: str


def without(checkpoint: Checkpoint, names: Sequence[str], text: str | None, source: str) -> Change:
    """Replace components, such as `L0H4` or `L1.mlp`, by their mean over a text; by zero if there is none.

    `source` says which text, or why there is none. NanoscopeError for a component that the model does not have.
    """
    model, context = checkpoint.model, checkpoint.model.config.block_size
    sites = [component(name) for name in names]
    for site in sites:
        check_site(site, model, context)
    what = f"without {', '.join(names)}"
    if text is None:
        return Change(tuple(zero(site) for site in sites), f"{what}: set to zero ({source})")
    tokens = checkpoint.encode(text)
    read = windows(tokens, context, WINDOWS * context, checkpoint.known_vocabulary.start).tokens
    cache = activations(model, read, keep=sites)
    edits = tuple(mean(site, cache, over=("batch", "pos")) for site in sites)
    return Change(edits, f"{what}: replaced by the mean over {source}")


def steered(checkpoint: Checkpoint, away: str, towards: str, layer: int, strength: float) -> Change:
    """Add, at a layer's input, the mean residual stream over one text minus that over another, times the strength.

    Source: activation addition (Turner et al. 2023), here with means over positions.
    """
    site = Site("resid_pre", layer)
    check_site(site, checkpoint.model, checkpoint.model.config.block_size)
    ends = [run(checkpoint, text, keep=[site]).cache[site].mean(dim=(0, 1)) for text in (towards, away)]
    described = f"steered by {strength:g} x ({towards!r} - {away!r}) at the input of layer {layer}"
    return Change((add(site, strength * (ends[0] - ends[1])),), described)


def writing(
    checkpoint: Checkpoint, start: str, length: int, sampling: Sampling, edits: Sequence[AnyEdit] = ()
) -> Iterator[str]:
    """The text after `start`, piece by piece: `length` tokens, each as soon as it completes a character."""
    if length < 1:
        raise NanoscopeError(f"the length must be at least 1, the number of tokens to write, not {length}")
    model, tokens = model_and_tokens(checkpoint, start)
    return _pieces(checkpoint, continuation(model, tokens, sampling, edits), length)


def _pieces(checkpoint: Checkpoint, new: Iterator, length: int) -> Iterator[str]:
    written: list[int] = []
    said = 0
    for drawn in new:
        written.append(int(drawn[0]))
        text, ended = checkpoint.decode(written), len(written) == length
        if ended or not text.endswith(UNKNOWN):  # the first bytes of a character are not shown alone
            yield text[said:]
            said = len(text)
        if ended:
            return


def opening(checkpoint: Checkpoint) -> str:
    """What a text begins with if the user gives nothing: the start symbol if there is one, else a line break."""
    if lead(checkpoint.known_vocabulary.start):
        return ""
    try:
        checkpoint.encode("\n")
    except NanoscopeError:
        raise NanoscopeError("the model has no symbol for a line break, to begin with; give --start") from None
    return "\n"
