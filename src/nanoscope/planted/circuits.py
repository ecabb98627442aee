"""Models with a task and the true circuit of this task: which edges matter, known from how the model was built.

The task is `[start][c][c]` against `[start][c'][c]`, where c' shares no symbol with c, read in the second block where the token
that followed in the first block is the answer. The two texts differ in the first block's tokens only. So an edge matters if
its source differs there, its reader uses what differs, and what the reader then does reaches the logits of a read. Every other
edge has the effect 0: the models are built so that no norm changes its scale where it could matter.

    plain      two layers: previous-token head, induction head (K-composition)
    rotated    the same in a random basis of the residual stream
    pointer    two layers: duplicate-token head, pointed head (Q-composition)
    redundant  plain, with the induction head twice: either one is enough
    deep       six layers, MLPs in the circuit, and 26 parts that are active but do not matter

`sharpness` is the score of a match for the heads that look for one, in nats. The gradient of a softmax vanishes as it
saturates: at 4 to 8 it is there, at 60 it is not.

Source: nanoscope's own; for models of known circuits as a test of discovery, Gupta et al. 2024 (InterpBench).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.model.gpt import GPT
from nanoscope.planted.basis import in_basis, rotation_about_the_mean
from nanoscope.planted.blank import finished
from nanoscope.planted.deep import planted_deep
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.planted.pointer import planted_pointer
from nanoscope.seeds import seed_for
from nanoscope.tasks import copy_task
from nanoscope.tasks.task import Task
from nanoscope.text.vocabulary import Vocabulary

GENTLE = 6.0
"""The sharpness at which estimators by gradients have something to see."""
LETTERS = "abcdefghijklmnop"
LENGTH = 7
"""The length of a block: two blocks leave two of the sixteen letters over, as wrong answers."""
EXAMPLES = 16


@dataclass(frozen=True)
class PlantedCircuit:
    """A hand-built model, its task, and exactly those edges that have an effect in this task."""

    name: str
    checkpoint: Checkpoint
    task: Task
    edges: frozenset[str]

    @property
    def model(self) -> GPT:
        return self.checkpoint.model


def plain(sharpness: float = GENTLE) -> PlantedCircuit:
    """The two-layer induction model (`planted.induction`). Its true edges:

    embed->L0H0.v    the tokens of the first block, which the previous-token head copies
    L0H0->L1H0.k     the previous tokens, where the induction head looks for its own token
    embed->L1H0.v    the tokens that the induction head copies
    L1H0->logits     what it writes

    Queries and keys of L0H0 read positions only; queries of L1H0 read the token, the same in the second block; the start symbol
    is the only token that its keys read; logits read the token at the reads, which is the same.
    """
    vocabulary, settings = (
        Vocabulary(tuple(LETTERS)),
        Planted(sharpness_induction=sharpness, context=2 * LENGTH + 1),
    )
    edges = {"embed->L0H0.v", "L0H0->L1H0.k", "embed->L1H0.v", "L1H0->logits"}
    return PlantedCircuit(
        "plain", planted_induction(vocabulary, settings), _copying(len(LETTERS), LENGTH), frozenset(edges)
    )


def rotated(sharpness: float = GENTLE) -> PlantedCircuit:
    """The plain model in a random basis of its residual stream; the true edges are the same, as no component changes."""
    known = plain(sharpness)
    generator = torch.Generator().manual_seed(seed_for("planted", "rotated"))
    turned = in_basis(known.model, rotation_about_the_mean(known.model.config.n_embd, generator))
    return replace(known, name="rotated", checkpoint=_named(known, turned, "rotated"))


def pointer(sharpness: float = GENTLE) -> PlantedCircuit:
    """The model that points (`planted.pointer`). Its true edges:

    embed->L0H0.k    the tokens of the first block, among which the duplicate-token head looks for its own
    L0H0->L1H0.q     the position that it found
    embed->L1H0.v    the tokens that the pointed head copies
    L1H0->logits     what it writes

    Values of L0H0 and keys of L1H0 read positions only. The queries of L0H0 differ in the first block only, where they change
    nothing but queries of L1H0 in the first block.
    """
    checkpoint = planted_pointer(Vocabulary(tuple(LETTERS)), 2 * LENGTH + 1, sharpness)
    edges = {"embed->L0H0.k", "L0H0->L1H0.q", "embed->L1H0.v", "L1H0->logits"}
    return PlantedCircuit("pointer", checkpoint, _copying(len(LETTERS), LENGTH), frozenset(edges))


def redundant(sharpness: float = GENTLE) -> PlantedCircuit:
    """The plain model with its induction head a second time, as L1H1. All edges of the plain model matter, for both heads.

    The last norm makes either head nearly enough: without the other, the stream is shorter and the answer's share of it hardly
    less. So taking a single edge away shows little of what the two do together.
    """
    known = plain(sharpness)
    attn = known.model.blocks[1].attn
    for weights in (attn.W_Q, attn.W_K, attn.W_V, attn.W_O):
        weights[1] = weights[0]
    second = {"L0H0->L1H1.k", "embed->L1H1.v", "L1H1->logits"}
    checkpoint = _named(known, known.model, "redundant")
    return replace(known, name="redundant", checkpoint=checkpoint, edges=known.edges | second)


def deep(sharpness: float = GENTLE) -> PlantedCircuit:
    """The six-layer model (`planted.deep`). Its true edges:

    embed->MLP0      the tokens of the first block, which MLP0 copies
    MLP0->L2H1.v     the copies, which the previous-token head moves on by one position
    L2H1->L5H2.k     the previous tokens, where the induction head looks for its own token
    embed->L5H2.v    the tokens that the induction head copies
    L5H2->logits     what it writes
    L5H2->MLP5       the same, which MLP5 amplifies
    MLP5->logits     what MLP5 writes

    Distractors write to coordinates that only distractors read, and never change the length of the stream.
    """
    edges = {
        "embed->MLP0", "MLP0->L2H1.v", "L2H1->L5H2.k", "embed->L5H2.v", "L5H2->logits", "L5H2->MLP5", "MLP5->logits"
    }  # fmt: skip
    checkpoint = planted_deep(sharpness)
    return PlantedCircuit("deep", checkpoint, _copying(8, 4), frozenset(edges))


CIRCUITS: Mapping[str, Callable[[float], PlantedCircuit]] = {
    "plain": plain,
    "rotated": rotated,
    "pointer": pointer,
    "redundant": redundant,
    "deep": deep,
}
"""Every model, as a function of the sharpness."""


def _copying(symbols: int, length: int) -> Task:
    """The task; the start symbol's number is the one after the last symbol."""
    return copy_task(torch.arange(symbols), length, EXAMPLES, "planted circuit", prefix=0, start=symbols)


def _named(known: PlantedCircuit, model: GPT, name: str) -> Checkpoint:
    return finished(model, known.checkpoint.vocabulary, **{**known.checkpoint.training, "planted": name})
