"""Two texts to compare: as the model reads them, and, where only one is given, the change of one symbol that matters most.

The corrupt text differs in one symbol not far from the end. Each is replaced by those that the model expected most at its
place, other than it; the text after which the clean text's prediction has lost most of its probability is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task, pair
from nanoscope.text.windows import lead, started
from nanoscope.views.given_text import prompt, prompt_pair

FAR, NEAR = 28, 4
"""The changed symbol is one of so many last ones, and not one of the very last: what differs should have some way to go."""
TRIED = 2
"""Symbols that are tried at each place."""


@dataclass(frozen=True)
class Pair:
    """Two texts, and the symbols that the model expects after each."""

    clean: str
    corrupt: str
    answer: str
    wrong: str


def given(checkpoint: Checkpoint, clean: str, corrupt: str) -> Pair:
    """Two texts with the symbols that the model expects most after them; where that is the same one, the corrupt text's next.

    NanoscopeError for texts that are not equally long."""
    texts = [one.text for one in prompt_pair(checkpoint, clean, corrupt)]
    vocabulary = checkpoint.known_vocabulary
    last = _expected(checkpoint, torch.stack([vocabulary.encode(one) for one in texts]))
    answer = int(last[0].argmax())
    last[1, answer] = -torch.inf
    return Pair(*texts, *(vocabulary.decode([token]) for token in (answer, int(last[1].argmax()))))


def suggested(checkpoint: Checkpoint, text: str) -> Pair:
    """A corrupt text for a clean one. NanoscopeError for a text of fewer than three tokens."""
    vocabulary, clean = checkpoint.known_vocabulary, prompt(checkpoint, text).text
    tokens = vocabulary.encode(clean)
    if len(tokens) < 3:
        raise NanoscopeError("the text must have at least three tokens, so that one in between can be changed")
    changed = _changed(checkpoint, tokens)
    last = _expected(checkpoint, torch.cat([tokens[None], changed]))
    answer = int(last[0].argmax())
    chosen = int(last[1:, answer].argmin())
    last[1 + chosen, answer] = -torch.inf
    symbols = (vocabulary.decode([token]) for token in (answer, int(last[1 + chosen].argmax())))
    return Pair(clean, vocabulary.decode(changed[chosen].tolist()), *symbols)


def _expected(checkpoint: Checkpoint, tokens: Int[Tensor, "text pos"]) -> Float[Tensor, "text vocab"]:
    """The log probabilities after each text."""
    read = started(tokens, checkpoint.known_vocabulary.start)
    return metrics.log_probs(run(checkpoint.model, read).logits[:, -1].float().cpu())


def _changed(checkpoint: Checkpoint, tokens: Int[Tensor, "pos"]) -> Int[Tensor, "text pos"]:
    """The text with one of the last symbols replaced in each row."""
    places = torch.arange(max(1, len(tokens) - FAR), max(2, len(tokens) - NEAR))
    start = checkpoint.known_vocabulary.start
    expected = run(checkpoint.model, started(tokens, start)[None]).logits[0, places - 1 + lead(start)].cpu().clone()
    expected[torch.arange(len(places)), tokens[places]] = -torch.inf
    tried = expected.topk(min(TRIED, expected.shape[1] - 1), dim=-1).indices
    rows = tokens.repeat(tried.numel(), 1)
    rows[torch.arange(len(rows)), places.repeat_interleave(tried.shape[1])] = tried.flatten()
    return rows


def task_of(checkpoint: Checkpoint, texts: tuple[str, str], answers: tuple[str, str] | None) -> tuple[Task, str]:
    """The task of two texts, read at their ends, and what was done to them. Without answers the texts' last symbols are
    compared. NanoscopeError for texts that cannot be compared."""
    read = prompt_pair(checkpoint, *texts, more=int(answers is None))
    note = "; ".join(dict.fromkeys(one.note for one in read if one.note))
    answer, wrong = answers or (None, None)
    return pair(checkpoint.known_vocabulary, read[0].text, read[1].text, answer, wrong), note
