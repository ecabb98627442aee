"""Experiment 04d, the positive control: errors that a copying head causes and that do not show in the confidence.

The hand-built induction model reads repeated random blocks. At a random half of the second copy's positions its induction
head is made to attend to a wrong position of the first copy: it copies a wrong character as confidently as it would copy
the right one. At every position the head's output is weakened by a random factor, so that the confidence varies, but not
with the errors. The text features (whether the first choice is the copy) are set to 0, so that only the head's state
reveals the errors.
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
"""Heads are chosen on blocks of several lengths: at one length, attending at a fixed distance would be enough."""
WRITE, WEAKEST = 2.0, 0.75
"""The strength of the copying head's output, and the smallest factor on it: the output still outweighs the embedding."""
ALPHABET = "".join(chr(ord("A") + i) for i in range(26)) + "".join(chr(ord("a") + i) for i in range(26))


def planted_failures(examples: int, seed: int) -> tuple[Circuit, SeenText, SeenText]:
    """The hand-built model's circuit, chosen as for any model, and the observations of its failures on both halves of the
    text (for fitting, and for judging)."""
    context, start = 1 + PREFIX + 2 * LENGTH, len(ALPHABET)
    model = planted_induction(Vocabulary(tuple(ALPHABET)), Planted(context=context, write=WRITE)).model
    task = copy_task(torch.arange(start), LENGTH, 2 * examples, "planted failures", seed, prefix=PREFIX, start=start)
    circuit = scores(model, blocks_of_several_lengths(start, context, start, seed)).best
    others = Circuit((circuit.previous[0], 1 - circuit.previous[1]), (circuit.copying[0], 1 - circuit.copying[1]))
    following = task.clean.roll(-1, 1)
    positions = slice(int(task.positions[0, 0]), int(task.positions[0, -1]) + 1)
    edits = misled(model, task, circuit, seed)
    seen = observe(model, task.clean, following, [circuit, others], positions, edits)
    half = np.arange(2 * examples) < examples
    seen = replace(seen, match=np.zeros_like(seen.match))
    table = np.zeros((len(TABLE), *seen.wrong.shape))  # random blocks: an n-gram table predicts nothing
    return circuit, SeenText(seen[half], table[:, half]), SeenText(seen[~half], table[:, ~half])


def blocks_of_several_lengths(symbols: int, context: int, start: int, seed: int) -> Int[Tensor, "window pos"]:
    """Repeated random blocks, with windows of every length in turn."""
    drawn = [
        repeated_sequences(torch.arange(symbols), n, context, CHOSEN_ON, start, "chosen", seed).tokens for n in LENGTHS
    ]
    shortest = min(tokens.shape[1] for tokens in drawn)
    return torch.stack([tokens[:, :shortest] for tokens in drawn], dim=1).flatten(0, 1)


def misled(model: GPT, task: Task, circuit: Circuit, seed: int) -> list[Edit]:
    """The edits of the control: in the copying head's pattern the right and a wrong position are exchanged at a random half
    of the second copy, and its output z is scaled by random factors."""
    layer, head = circuit.copying
    site = Site("pattern", layer, head=head)
    pattern = run(model, task.clean, keep=[site]).cache[site].clone()
    which, wrong_positions = _wrong_positions(task, seed)
    rows, reads = torch.nonzero(which, as_tuple=True)
    queries = task.positions[rows, reads]
    right, wrong = queries - LENGTH + 1, wrong_positions[rows, reads]
    swapped = pattern[rows, queries, wrong], pattern[rows, queries, right]
    pattern[rows, queries, right], pattern[rows, queries, wrong] = swapped
    attend, output = Edit(site, pattern), Site("z", layer, head=head)
    z = run(model, task.clean, [attend], keep=[output]).cache[output]
    strength = np.random.default_rng(seed_for("strength", seed)).uniform(WEAKEST, 1, (*z.shape[:2], 1))
    return [attend, Edit(output, z * torch.from_numpy(strength).to(z))]


def _wrong_positions(task: Task, seed: int) -> tuple[Bool[Tensor, "example read"], Int[Tensor, "example read"]]:
    """Which queries are misled, and the wrong position of the first copy for each: neither the right one nor that of the
    query's own character."""
    rng = np.random.default_rng(seed_for("misled", seed))
    shape = tuple(task.positions.shape)
    right = task.positions.numpy() - LENGTH + 1
    first = int(task.positions[0, 0]) - LENGTH
    # 1..LENGTH-2 after the right position, modulo the block: never the right position or the one before it
    away = rng.integers(1, LENGTH - 1, shape)
    where = first + (right - first + away) % LENGTH
    return torch.from_numpy(rng.random(shape) < 0.5), torch.from_numpy(where)
