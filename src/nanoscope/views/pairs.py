"""Two texts to compare: as the model reads them, and, where only one is given, the change of one symbol that matters most.

The corrupt text differs in one of the last symbols before the end. Each is replaced by the symbol that the model expected most
at its place, other than it; the text after which the clean text's prediction has lost most of its probability is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task, pair
from nanoscope.views.given_text import prompt, prompt_pair

FAR = 24
"""How many of the last symbols are tried, but for the very last: a change there would leave nothing to follow."""


@dataclass(frozen=True)
class Pair:
    """Two texts, and the symbols that the model expects after each."""

    clean: str
    corrupt: str
    answer: str
    wrong: str


def suggested(checkpoint: Checkpoint, text: str) -> Pair:
    """A corrupt text for a clean one. NanoscopeError if no change of one symbol changes the prediction."""
    vocabulary, clean = checkpoint.known_vocabulary, prompt(checkpoint, text).text
    tokens = vocabulary.encode(clean)
    if len(tokens) < 3:
        raise NanoscopeError("the text must have at least three tokens, so that one in between can be changed")
    changed = _changed(checkpoint, tokens)
    last = metrics.log_probs(run(checkpoint.model, torch.cat([tokens[None], changed])).logits[:, -1].float().cpu())
    best = last.argmax(-1)
    lost = torch.where(best == best[0], torch.full_like(last[:, 0], -torch.inf), last[0, best[0]] - last[:, best[0]])
    if not bool((best != best[0]).any()):
        raise NanoscopeError("no change of one symbol changes the prediction after this text; type a corrupt text")
    chosen = int(lost.argmax())
    answer, wrong = (vocabulary.decode([int(best[n])]) for n in (0, chosen))
    return Pair(clean, vocabulary.decode(changed[chosen - 1].tolist()), answer, wrong)


def _changed(checkpoint: Checkpoint, tokens: Int[Tensor, "pos"]) -> Int[Tensor, "text pos"]:
    """The text with one of the last symbols replaced in each row."""
    places = torch.arange(max(1, len(tokens) - FAR), len(tokens) - 1)
    expected = run(checkpoint.model, tokens[None]).logits[0, places - 1].cpu().clone()
    expected[torch.arange(len(places)), tokens[places]] = -torch.inf
    rows = tokens.repeat(len(places), 1)
    rows[torch.arange(len(places)), places] = expected.argmax(-1)
    return rows


def task_of(checkpoint: Checkpoint, texts: tuple[str, str], answers: tuple[str, str] | None) -> tuple[Task, str]:
    """The task of two texts, read at their ends, and what was done to them. Without answers the texts' last symbols are
    compared. NanoscopeError for texts that cannot be compared."""
    read = prompt_pair(checkpoint, *texts, more=int(answers is None))
    note = "; ".join(dict.fromkeys(one.note for one in read if one.note))
    answer, wrong = answers or (None, None)
    return pair(checkpoint.known_vocabulary, read[0].text, read[1].text, answer, wrong), note
