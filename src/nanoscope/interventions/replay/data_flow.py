"""The data flow of a block in one table: what each activation is made from, and at what cost.

`changes` follows edits along it, `plan` counts operations along it, and `execute` computes along it. `GPT.block` says the
same in code, and a test edits one activation after another of a real block to see that both agree. A new activation is a
row here, a line in `GPT.block` and its axes in `model/sites.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from nanoscope.model import arithmetic
from nanoscope.model.config import GPTConfig
from nanoscope.model.modules import Block

Make = Callable[..., Tensor]
"""`(block, *values of the sources) -> value`."""


@dataclass(frozen=True)
class Step:
    """How one activation is made."""

    site: str
    sources: tuple[str, ...] = ()
    """What it is made from at its own position (or query)."""
    past: tuple[str, ...] = ()
    """What it is made from at its own position and all earlier ones: attention."""
    weights: Callable[[GPTConfig], int] = lambda config: 0
    """With how many weights each token is multiplied."""
    make: Make | None = None
    """The token-wise arithmetic. It may write into the last source's memory, which nobody else holds by then. None for
    what attention does for groups of rows at once (`attention.py`)."""


def _square(config: GPTConfig) -> int:
    return config.n_embd**2


def _neurons(config: GPTConfig) -> int:
    return config.n_embd * config.d_mlp


def _sum(block: Block, stream: Tensor, written: Tensor) -> Tensor:
    return written.add_(stream)


def _pre(block: Block, x: Tensor) -> Tensor:
    assert block.mlp is not None
    assert block.ln_2 is not None
    return arithmetic.mlp_pre(arithmetic.norm(x, block.ln_2), block.mlp)


def _post(block: Block, pre: Tensor) -> Tensor:
    assert block.mlp is not None
    return arithmetic.mlp_post(pre, block.mlp)


def _mlp_out(block: Block, post: Tensor) -> Tensor:
    assert block.mlp is not None
    return arithmetic.mlp_out(post, block.mlp)


ATTENTION = (
    Step("resid_pre"),
    Step("q", ("resid_pre",), weights=_square),
    Step("k", ("resid_pre",), weights=_square),
    Step("v", ("resid_pre",), weights=_square),
    Step("scores", ("q",), past=("k",)),
    Step("pattern", ("scores",)),
    Step("z", ("pattern",), past=("v",)),
)
WRITE = Step("attn_out", ("z",), weights=_square, make=lambda block, z: arithmetic.out(z, block.attn))
MLP = (
    Step("resid_mid", ("resid_pre", "attn_out"), make=_sum),
    Step("pre", ("resid_mid",), weights=_neurons, make=_pre),
    Step("post", ("pre",), make=_post),
    Step("mlp_out", ("post",), weights=_neurons, make=_mlp_out),
)


def token_wise_steps(config: GPTConfig) -> tuple[Step, ...]:
    """From the heads' outputs to the end of the block."""
    if config.attention_only:
        return (WRITE, Step("resid_post", ("resid_pre", "attn_out"), make=_sum))
    return (WRITE, *MLP, Step("resid_post", ("resid_mid", "mlp_out"), make=_sum))


def block_steps(config: GPTConfig) -> tuple[Step, ...]:
    """All activations of a block, in the order in which they are made."""
    return (*ATTENTION, *token_wise_steps(config))


READ_BY_LATER = frozenset(name for step in ATTENTION for name in step.past).union(
    name for step in ATTENTION for name in step.sources if any(step.site in later.past for later in ATTENTION)
)
"""What attention reads at later positions, and what that is made from."""
ALWAYS = ("resid_pre", "q", "k", "v")
"""What a change met at later positions, where these have not changed."""
FIRST_SUM = {"embed", "pos_embed"}


def kept_of_base(config: GPTConfig, edited: Iterable[str]) -> set[str]:
    """Which activations of the base run a replay needs: of a sum also the part that the edits do not reach."""
    names = set(edited)
    beside = (_unreached(block_steps(config), name) for name in names)
    return names.union(ALWAYS, FIRST_SUM if names & FIRST_SUM else (), *beside)


def _unreached(steps: Sequence[Step], edited: str) -> set[str]:
    """The other sources of what is made from an edited activation at its own position."""
    reached, needed = {edited}, set()
    for step in steps:
        met = reached.intersection(step.sources)
        if met:
            reached.add(step.site)
            needed |= set(step.sources) - reached
    return needed
