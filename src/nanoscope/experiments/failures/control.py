"""Experiment 04d, the positive control: errors that a copying head causes and that the confidence cannot see.

The planted induction model reads repeated random blocks. On a random half of the second copy its induction head is made
to look at a wrong place of the first copy: it copies a wrong character as surely as it would have copied the right one.
At every place its write is weakened by a random factor, so that the confidence varies, but not with the errors. What the
text would tell (whether the first choice is the copy) is withheld, so only the head's state gives it away.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from nanoscope.analysis.attention.circuit_state import Circuit, observe, scores
from nanoscope.experiments.failures.predict import TABLE, SeenText
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.seeds import seed_for
from nanoscope.tasks.synthetic import copy_task, repeated_sequences
from nanoscope.tasks.task import Task
from nanoscope.text.vocabulary import Vocabulary

LENGTH, PREFIX = 14, 4
LENGTHS, CHOSEN_ON = (10, 11, 12, 13), 12
"""Blocks of each of these lengths on which the heads are chosen: at one length a fixed distance would do."""
WRITE, WEAKEST = 2.0, 0.75
"""How strongly the planted head writes, and by what its writes are weakened at most: it still outweighs the embedding."""
ALPHABET = "".join(chr(ord("A") + i) for i in range(26)) + "".join(chr(ord("a") + i) for i in range(26))


def planted_failures(examples: int, seed: int) -> tuple[Circuit, SeenText, SeenText]:
    """The planted model's circuit, chosen as any model's is, and what is seen of its failures on two halves of the text."""
    context, start = 1 + PREFIX + 2 * LENGTH, len(ALPHABET)
    model = planted_induction(Vocabulary(tuple(ALPHABET)), Planted(context=context, write=WRITE)).model
    task = copy_task(torch.arange(start), LENGTH, 2 * examples, "planted failures", seed, prefix=PREFIX, start=start)
    circuit = scores(model, blocks_of_several_lengths(start, context, start, seed)).best
    others = Circuit((circuit.previous[0], 1 - circuit.previous[1]), (circuit.copying[0], 1 - circuit.copying[1]))
    following = task.clean.roll(-1, 1)
    places = slice(int(task.positions[0, 0]), int(task.positions[0, -1]) + 1)
    edits = misled(model, task, circuit, seed)
    seen = observe(model, task.clean, following, [circuit, others], places, edits)
    half = np.arange(2 * examples) < examples
    seen = replace(seen, match=np.zeros_like(seen.match))
    table = np.zeros((len(TABLE), *seen.wrong.shape))  # random blocks: no table knows anything
    return circuit, SeenText(seen[half], table[:, half]), SeenText(seen[~half], table[:, ~half])


def blocks_of_several_lengths(symbols: int, context: int, start: int, seed: int) -> Int[Tensor, "window pos"]:
    """Repeated random blocks, a window of every length in turn."""
    drawn = [
        repeated_sequences(torch.arange(symbols), n, context, CHOSEN_ON, start, "chosen", seed).tokens for n in LENGTHS
    ]
    shortest = min(tokens.shape[1] for tokens in drawn)
    return torch.stack([tokens[:, :shortest] for tokens in drawn], dim=1).flatten(0, 1)


def misled(model: GPT, task: Task, circuit: Circuit, seed: int) -> list[Edit]:
    """The copying head's pattern, with the right and a wrong place exchanged for a random half of the second copy, and
    what it gathers so, weakened at random."""
    layer, head = circuit.copying
    site = Site("pattern", layer, head=head)
    pattern = run(model, task.clean, keep=[site]).cache[site].clone()
    which, where = _wrong_places(task, seed)
    rows, reads = torch.nonzero(which, as_tuple=True)
    queries = task.positions[rows, reads]
    right, wrong = queries - LENGTH + 1, where[rows, reads]
    swapped = pattern[rows, queries, wrong], pattern[rows, queries, right]
    pattern[rows, queries, right], pattern[rows, queries, wrong] = swapped
    looking, gathered = Edit(site, pattern), Site("z", layer, head=head)
    z = run(model, task.clean, [looking], keep=[gathered]).cache[gathered]
    strength = np.random.default_rng(seed_for("strength", seed)).uniform(WEAKEST, 1, (*z.shape[:2], 1))
    return [looking, Edit(gathered, z * torch.from_numpy(strength).to(z))]


def _wrong_places(task: Task, seed: int) -> tuple[Bool[Tensor, "example read"], Int[Tensor, "example read"]]:
    """Which reads are misled, and the place of the first copy, neither the right one nor the query's own character, that
    each would be sent to."""
    rng = np.random.default_rng(seed_for("misled", seed))
    shape = tuple(task.positions.shape)
    right = task.positions.numpy() - LENGTH + 1
    first = int(task.positions[0, 0]) - LENGTH
    # offsets 1..LENGTH-2 after the right place, around the block: never the right place, never the one before it
    away = rng.integers(1, LENGTH - 1, shape)
    where = first + (right - first + away) % LENGTH
    return torch.from_numpy(rng.random(shape) < 0.5), torch.from_numpy(where)
