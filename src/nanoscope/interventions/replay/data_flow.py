"""The data flow of a block as one table: the sources of each activation, and its cost.

`changes` propagates edits along it, `plan` counts operations with it, and `execute` computes by it. `GPT.block` is the same
in code; a test edits each activation of a real block to check that both agree. A new activation needs a row here, a line
in `GPT.block` and its axes in `model/sites.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from nanoscope.model import arithmetic
from nanoscope.model.config import GPTConfig
from nanoscope.model.modules import Block
from nanoscope.model.sites import mlp_reads

Make = Callable[..., Tensor]
"""`(block, *values of the sources) -> value`."""


@dataclass(frozen=True)
class Step:
    """How one activation is computed."""

    site: str
    sources: tuple[str, ...] = ()
    """Activations that it is computed from at its own position (or query)."""
    past: tuple[str, ...] = ()
    """Activations that it is computed from at its own position and all earlier ones (attention)."""
    weights: Callable[[GPTConfig], int] = lambda config: 0
    """Number of weights that each token is multiplied with."""
    make: Make | None = None
    """The token-wise arithmetic. It may overwrite the last source, which nothing else uses by then. None for attention,
    which is computed for groups of rows (`attention.py`)."""


def _heads(config: GPTConfig) -> int:
    return config.n_embd * config.d_attention


def _shared_heads(config: GPTConfig) -> int:
    return config.n_embd * config.n_kv * config.d_head


def _neurons(config: GPTConfig) -> int:
    return config.n_embd * config.d_mlp


def _with_attention(block: Block, stream: Tensor, written: Tensor) -> Tensor:
    return arithmetic.norm_after(written.add_(stream), block.ln_1)


def _with_mlp(block: Block, stream: Tensor, written: Tensor) -> Tensor:
    assert block.ln_2 is not None
    return arithmetic.norm_after(written.add_(stream), block.ln_2)


def _with_both(block: Block, stream: Tensor, attn_out: Tensor, mlp_out: Tensor) -> Tensor:
    return mlp_out.add_(stream + attn_out)  # in the order of `GPT.block`


def mlp_read(block: Block, x: Tensor) -> Tensor:
    """What the MLP of a block reads of the residual stream before it."""
    assert block.ln_2 is not None
    return arithmetic.norm_before(x, block.ln_2)


def _pre(block: Block, x: Tensor) -> Tensor:
    assert block.mlp is not None
    return arithmetic.mlp_pre(mlp_read(block, x), block.mlp)


def _pre_linear(block: Block, x: Tensor) -> Tensor:
    assert block.mlp is not None
    return arithmetic.mlp_pre_linear(mlp_read(block, x), block.mlp)


def _post(block: Block, pre: Tensor, linear: Tensor | None = None) -> Tensor:
    assert block.mlp is not None
    return arithmetic.mlp_post(pre, block.mlp, linear)


def _mlp_out(block: Block, post: Tensor) -> Tensor:
    assert block.mlp is not None
    return arithmetic.mlp_out(post, block.mlp)


ATTENTION = (
    Step("resid_pre"),
    Step("q", ("resid_pre",), weights=_heads),
    Step("k", ("resid_pre",), weights=_shared_heads),
    Step("v", ("resid_pre",), weights=_shared_heads),
    Step("scores", ("q",), past=("k",)),
    Step("pattern", ("scores",)),
    Step("z", ("pattern",), past=("v",)),
)
WRITE = Step("attn_out", ("z",), weights=_heads, make=lambda block, z: arithmetic.out(z, block.attn))


def mlp_steps(config: GPTConfig) -> tuple[Step, ...]:
    """The steps of an MLP, from the residual stream that it reads to what it writes."""
    read = (mlp_reads(config),)
    gate = (Step("pre_linear", read, weights=_neurons, make=_pre_linear),) if config.gated_mlp else ()
    return (
        Step("pre", read, weights=_neurons, make=_pre),
        *gate,
        Step("post", ("pre", *(step.site for step in gate)), make=_post),
        Step("mlp_out", ("post",), weights=_neurons, make=_mlp_out),
    )


def token_wise_steps(config: GPTConfig) -> tuple[Step, ...]:
    """The steps from the heads' outputs to the end of the block."""
    if config.attention_only:
        return (WRITE, Step("resid_post", ("resid_pre", "attn_out"), make=_with_attention))
    if config.parallel:
        return (WRITE, *mlp_steps(config), Step("resid_post", ("resid_pre", "attn_out", "mlp_out"), make=_with_both))
    middle = Step("resid_mid", ("resid_pre", "attn_out"), make=_with_attention)
    return (WRITE, middle, *mlp_steps(config), Step("resid_post", ("resid_mid", "mlp_out"), make=_with_mlp))


def block_steps(config: GPTConfig) -> tuple[Step, ...]:
    """All steps of a block, in order."""
    return (*ATTENTION, *token_wise_steps(config))


READ_BY_LATER = frozenset(name for step in ATTENTION for name in step.past).union(
    name for step in ATTENTION for name in step.sources if any(step.site in later.past for later in ATTENTION)
)
"""Activations that attention reads at later positions, and their sources."""
ALWAYS = ("resid_pre", "q", "k", "v")
"""Activations of the base run that any replay needs where they have not changed. In parallel blocks also the MLPs' writes:
attention carries a change to positions where the MLP reads none."""
FIRST_SUM = {"embed", "pos_embed"}


def kept_of_base(config: GPTConfig, edited: Iterable[str]) -> set[str]:
    """Names of the base run's activations that a replay needs, including the unedited terms of sums."""
    names = set(edited)
    others = (_unreached(block_steps(config), name) for name in names)
    always = (*ALWAYS, "mlp_out") if config.parallel else ALWAYS
    return names.union(always, FIRST_SUM if names & FIRST_SUM else (), *others)


def _unreached(steps: Sequence[Step], edited: str) -> set[str]:
    """Unaffected sources of the steps that an edited activation reaches at its own position."""
    reached, needed = {edited}, set()
    for step in steps:
        met = reached.intersection(step.sources)
        if met:
            reached.add(step.site)
            needed |= set(step.sources) - reached
    return needed
